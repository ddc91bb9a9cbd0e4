"""Factorisation machines and what stands on their pairs."""

from itertools import combinations

import numpy as np
from models.references.base import (
    FIELDS,
    Floats,
    Row,
    Weights,
    fm,
    lr,
    network,
    normed,
    slots,
    vectors,
)

PAIRS = list(combinations(range(FIELDS), 2))


def hofm(w: Weights, row: Row, *, order: int = 3, shared: bool = False) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]
    y = lr(w, row)
    for degree in range(2, order + 1):
        p = v if shared else v[:, (degree - 2) * 10 : (degree - 1) * 10]
        chosen = combinations(range(FIELDS), degree)
        y += sum(float(np.prod(p[list(c)], axis=0).sum()) for c in chosen)
    return y


def nfm(w: Weights, row: Row) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]
    pooled = sum((v[i] * v[j] for i, j in PAIRS), np.zeros(10))
    if "norm.weight" in w:
        pooled = normed(w, pooled, "norm.")
    return lr(w, row) + float(network(w, pooled, "mlp.")[0])


def afm(w: Weights, row: Row) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]
    pairs = [v[i] * v[j] for i, j in PAIRS]
    weight, bias = w["attention.0.weight"], w["attention.0.bias"]
    scores = np.exp([w["h"] @ np.maximum(weight @ pair + bias, 0) for pair in pairs])
    pooled = sum(a * pair for a, pair in zip(scores / scores.sum(), pairs, strict=True))
    return lr(w, row) + float(w["p"] @ pooled)


def fwfm(w: Weights, row: Row, *, linear: str = "filv") -> float:
    table = w["embedding.weight"]
    v = vectors(table, row)[:, -10:]
    if linear == "lw":
        first = lr(w, row)
    elif linear == "felv":
        own = sum(x * (table[i, :10] @ table[i, 10:]) for _, i, x in slots(row))
        first = float(w["bias"] + own)
    else:
        first = float(w["bias"] + sum(w["field_vectors"][i] @ v[i] for i in range(FIELDS)))
    numbers = w["pairs.weight"][:, 0]
    return first + float(sum(r * (v[i] @ v[j]) for r, (i, j) in zip(numbers, PAIRS, strict=True)))


def fmfm(w: Weights, row: Row) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]

    def pair(m: Floats, i: int, j: int) -> float:
        return float(v[i] @ (m if m.ndim == 2 else np.diag(m)) @ v[j])

    weights = w["pairs.weight"]
    return lr(w, row) + sum(pair(m, i, j) for m, (i, j) in zip(weights, PAIRS, strict=True))


REFERENCES = {"hofm": hofm, "nfm": nfm, "afm": afm, "fwfm": fwfm, "fmfm": fmfm}
VARIANTS = {
    "hofm shared": ("hofm", ["model.shared=true"], lambda w, row: hofm(w, row, shared=True)),
    "hofm of order 2": ("hofm", ["model.order=2"], fm),
    "hofm of order 5": ("hofm", ["model.order=5"], lambda w, row: hofm(w, row, order=5)),
    "nfm normed": ("nfm", ["model.batch_norm=true"], nfm),
    "fwfm lw": ("fwfm", ["model.linear=lw"], lambda w, row: fwfm(w, row, linear="lw")),
    "fwfm felv": ("fwfm", ["model.linear=felv"], lambda w, row: fwfm(w, row, linear="felv")),
    "fmfm vector": ("fmfm", ["model.field_weights=vector"], fmfm),
}
