"""Compressed interactions, attention, bilinear ones, and perceptrons of other kinds."""

from itertools import combinations

import numpy as np
from models.references.base import (
    FIELDS,
    Floats,
    Row,
    Weights,
    lr,
    network,
    normed,
    relu,
    vectors,
)

PAIRS = list(combinations(range(FIELDS), 2))


def dnn(w: Weights, row: Row) -> float:
    return float(network(w, vectors(w["embedding.weight"], row).ravel(), "mlp.")[0])


def cin(w: Weights, row: Row) -> float:
    x_0 = vectors(w["embedding.weight"], row)[:, 1:]
    x, pooled = x_0, list[float]()
    for layer in range(2):
        weight = w[f"cin.weights.{layer}"]
        maps = []
        for h in range(len(weight)):
            pairs = [(i, j) for i in range(len(x)) for j in range(FIELDS)]
            maps.append(sum(weight[h, i, j] * (x[i] * x_0[j]) for i, j in pairs))
        x = np.array(maps)
        pooled += [m.sum() for m in maps]
    return lr(w, row) + float((w["output.weight"] @ np.array(pooled))[0])


def xdeepfm(w: Weights, row: Row) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]
    return cin(w, row) + float(network(w, v.ravel(), "mlp.")[0])


def _interacting(w: Weights, e: Floats, part: str, *, scale: float, residual: bool) -> Floats:
    """Two heads of three."""
    maps = w[f"{part}weight"].reshape(-1, 6, e.shape[1])
    out = np.zeros((FIELDS, 6))
    for head in (slice(0, 3), slice(3, 6)):
        for m in range(FIELDS):
            query = maps[0, head] @ e[m]
            scores = np.exp([query @ (maps[1, head] @ e[k]) * scale for k in range(FIELDS)])
            alpha = scores / scores.sum()
            out[m, head] = sum(alpha[k] * (maps[2, head] @ e[k]) for k in range(FIELDS))
    if residual:
        out += e if len(maps) == 3 else e @ maps[3].T
    if f"{part}norm.weight" in w:
        out = np.array([_layer_norm(w, o, f"{part}norm.") for o in out])
    return relu(out)


def autoint(w: Weights, row: Row, *, scale: float = 1, residual: bool = True) -> float:
    table = w["embedding.weight"]
    e = v = vectors(table, row)[:, -10:]
    for n in range(2):
        e = _interacting(w, e, f"attention.{n}.", scale=scale, residual=residual)
    y = w["output.weight"] @ e.ravel() + w["output.bias"]
    if "mlp.0.weight" in w:
        y = y + network(w, v.ravel(), "mlp.")
    wide = vectors(table, row)[:, 0].sum() if table.shape[1] == 11 else 0
    return float(y[0] + wide)


def fibinet(w: Weights, row: Row, *, kind: str = "interaction") -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]
    weights = relu(w["senet.excite"] @ relu(w["senet.squeeze"] @ v.mean(axis=1)))
    weighted = np.array([a * each for a, each in zip(weights, v, strict=True)])

    def products(part: str, e: Floats) -> list[Floats]:
        m = w.get(f"{part}.weight", w["p.weight"])  # q's are p's where they are shared
        chosen = {
            "all": [m[0] for _ in PAIRS],
            "each": [m[i] for i, _ in PAIRS] if kind == "each" else [],
            "interaction": list(m),
        }[kind]
        return [(e[i] @ own) * e[j] for own, (i, j) in zip(chosen, PAIRS, strict=True)]

    inputs = np.concatenate([*products("p", v), *products("q", weighted)])
    return lr(w, row) + float(network(w, inputs, "mlp.")[0])


def dlrm(w: Weights, row: Row, *, dots: bool = True) -> float:
    """Of fields a, c and e, whose table holds theirs alone; b and d are fed as values."""
    ids, x = row
    table = w["embedding.embedding.weight"]
    several = [table[12 + i] for i in ids[4:7] if i != 5]
    dense = np.array([x[0] if ids[1] else 0, x[1] if ids[3] else 0])
    z = network(w, dense, "bottom.", output=False)
    u = [table[ids[0]], table[5 + ids[2]], sum(several) / len(several), z]
    if dots:
        inputs = np.array([*z, *(a @ b for a, b in combinations(u, 2))])
    else:
        inputs = np.concatenate(u)
    return float(network(w, inputs, "top.")[0])


def afn(w: Weights, row: Row) -> float:
    e = np.maximum(np.abs(vectors(w["embedding.weight"], row)), 1e-5)
    logs = np.array([normed(w, column, "logarithmic.log_norm.") for column in np.log(e).T]).T
    products = np.array([np.exp(c @ logs) for c in w["logarithmic.weight"]])  # N, K
    columns = [normed(w, column, "logarithmic.exp_norm.") for column in products.T]
    return float(network(w, np.concatenate(columns), "mlp.")[0])


def afn_plus(w: Weights, row: Row) -> float:
    second = network(w, vectors(w["second_embedding.weight"], row).ravel(), "second_mlp.")
    both = np.array([afn(w, row), second[0]])
    return float((w["output.weight"] @ both + w["output.bias"])[0])


def _layer_norm(w: Weights, a: Floats, part: str) -> Floats:
    centred = (a - a.mean()) / np.sqrt(a.var() + 1e-5)
    return centred * w[f"{part}weight"] + w[f"{part}bias"]


def _mask_block(w: Weights, v: Floats, h: Floats, part: str) -> Floats:
    masked = network(w, v, f"{part}mask.") * h
    return relu(_layer_norm(w, w[f"{part}hidden.0.weight"] @ masked, f"{part}hidden.1."))


def masknet(w: Weights, row: Row, *, serial: bool = False) -> float:
    v = vectors(w["embedding.weight"], row)
    fields = [(f - f.mean()) / np.sqrt(f.var() + 1e-5) for f in v]
    h = (np.array(fields) * w["norm.gain"] + w["norm.bias"]).ravel()
    if serial:
        for n in range(2):
            h = _mask_block(w, v.ravel(), h, f"blocks.{n}.")
    else:
        blocks = [_mask_block(w, v.ravel(), h, f"blocks.{n}.") for n in range(2)]
        h = np.concatenate(blocks)
    return float(network(w, h, "mlp.")[0])


def finalmlp(w: Weights, row: Row, *, contexts: bool = False, gates: bool = True) -> float:
    v = vectors(w["embedding.weight"], row).ravel()
    streams = [v, v]
    if gates:
        seen = [w.get(f"gates.{s}.vector", np.zeros((1, 1)))[0] for s in range(2)]
        if contexts:
            seen = _contexts(w, row)
        outs = [network(w, context, f"gates.{s}.mlp.") for s, context in enumerate(seen)]
        streams = [v * 2 / (1 + np.exp(-out)) for out in outs]
    first = network(w, streams[0], "first.", output=False)
    second = network(w, streams[1], "second.", output=False)
    weight = w["fusion.weight"]
    heads = zip(first.reshape(2, -1), weight, second.reshape(2, -1), strict=True)
    y = sum(float(a @ m @ b) for a, m, b in heads)
    plain = w["fusion.of_first.weight"] @ first + w["fusion.of_first.bias"]
    return y + float((plain + w["fusion.of_second.weight"] @ second)[0])


def _contexts(w: Weights, row: Row) -> list[Floats]:
    """Of fields b and e, and of c."""
    ids, x = row
    table = w["gates.0.context.embedding.weight"]
    several = [table[2 + i] for i in ids[4:7] if i != 5]
    first = [x[0] * table[ids[1]], sum(several) / len(several)]
    return [np.concatenate(first), w["gates.1.context.embedding.weight"][ids[2]]]


REFERENCES = {
    "dnn": dnn,
    "cin": cin,
    "xdeepfm": xdeepfm,
    "autoint": autoint,
    "autoint_plus": autoint,
    "fibinet": fibinet,
    "dlrm": dlrm,
    "afn": afn,
    "afn_plus": afn_plus,
    "masknet": masknet,
    "finalmlp": finalmlp,
}
VARIANTS = {
    "autoint of all": (
        "autoint",
        ["model.scale=true", "model.layer_norm=true", "model.wide=true"],
        lambda w, row: autoint(w, row, scale=3**-0.5),
    ),
    "autoint without residual": (
        "autoint",
        ["model.residual=false"],
        lambda w, row: autoint(w, row, residual=False),
    ),
    "fibinet all": (
        "fibinet",
        ["model.bilinear=all"],
        lambda w, row: fibinet(w, row, kind="all"),
    ),
    "fibinet shared": ("fibinet", ["model.shared=true"], fibinet),
    "fibinet each": (
        "fibinet",
        ["model.bilinear=each"],
        lambda w, row: fibinet(w, row, kind="each"),
    ),
    "dlrm cat": (
        "dlrm",
        ["model.interaction=cat"],
        lambda w, row: dlrm(w, row, dots=False),
    ),
    "masknet serial": (
        "masknet",
        ["model.structure=serial"],
        lambda w, row: masknet(w, row, serial=True),
    ),
    "finalmlp of contexts": (
        "finalmlp",
        ["model.first_context=[b,e]", "model.second_context=[c]"],
        lambda w, row: finalmlp(w, row, contexts=True),
    ),
    "finalmlp without gates": (
        "finalmlp",
        ["model.gate=null"],
        lambda w, row: finalmlp(w, row, gates=False),
    ),
    "xdeepfm normed": ("xdeepfm", ["model.batch_norm=true"], xdeepfm),
}
