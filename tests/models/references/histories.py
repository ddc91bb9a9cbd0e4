"""Models that read a history in its order: past rows of fields a and c, and their labels."""

import numpy as np
from models.references.base import Floats, Row, Weights, network, vectors

LENGTH = 3
A, C = 0, 7  # the first rows of the two fields in the table


def past(w: Weights, row: Row) -> Floats:
    """[v_a, v_c, click, no click] of every past row, the oldest first."""
    table, ids = w["history.embedding.weight"], row[0][8:]
    a, c, labels = ids[:LENGTH], ids[LENGTH : 2 * LENGTH], ids[2 * LENGTH :]
    known = [i for i in range(LENGTH) if a[i] != 5]
    rows = [
        np.array([*table[A + a[i]], *table[C + c[i]], labels[i] == 2, labels[i] == 1])
        for i in known
    ]
    return np.array(rows).reshape(len(known), 2 * table.shape[1] + 2)


def present(w: Weights, row: Row) -> Floats:
    return vectors(w["history.embedding.weight"], row).ravel()


def rnn(w: Weights, row: Row) -> float:
    recurrent = w["past.recurrent.weight"]
    h = np.zeros(len(recurrent))
    for p in past(w, row):
        h = np.tanh(w["past.input.weight"] @ p + w["past.input.bias"] + recurrent @ h)
    own = w["present.weight"] @ present(w, row) + w["present.bias"]
    return float((w["output.weight"] @ np.tanh(own + recurrent @ h) + w["output.bias"])[0])


def gru4ctr(w: Weights, row: Row) -> float:
    def gate(n: int, p: Floats, h: Floats) -> Floats:
        recurrent = w[f"past.recurrent.{n}.weight"] @ h
        return w[f"past.input.{n}.weight"] @ p + w[f"past.input.{n}.bias"] + recurrent

    h = np.zeros(len(w["past.recurrent.0.weight"]))
    for p in past(w, row):
        z, r = (1 / (1 + np.exp(-gate(n, p, h))) for n in (0, 1))
        h = z * h + (1 - z) * np.tanh(gate(2, p, r * h))
    return float(network(w, np.concatenate([present(w, row), h]), "mlp.")[0])


def din(w: Weights, row: Row) -> float:
    v, rows = vectors(w["history.embedding.weight"], row), past(w, row)
    dim = v.shape[1]
    q = np.concatenate([v[0], v[2]])
    interest = np.zeros(2 * dim + 2)
    for p in rows:
        own = p[: 2 * dim]
        a = np.concatenate([p, q, own - q, own * q])
        a = w["attention.0.weight"] @ a + w["attention.0.bias"]
        a = np.where(a > 0, a, w["attention.1.weight"] * a)
        interest += (w["attention.2.weight"] @ a + w["attention.2.bias"])[0] * p
    return float(network(w, np.concatenate([v.ravel(), interest]), "mlp.")[0])


REFERENCES = {"rnn": rnn, "gru4ctr": gru4ctr, "din": din}
VARIANTS = {"din of relu": ("din", ["model.activation=relu"], din)}
