"""What every model is to compute, from the papers' formulas, in float64 and plain loops: the models
that the DeepFM paper compares, and what the others share with them."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ctrbench.data.schema import Field, Schema

SCHEMA = Schema(
    (
        Field("a", "vocabulary", 5),
        Field("b", "value", 2),
        Field("c", "vocabulary", 7),
        Field("d", "value", 2),
        Field("e", "mean", 6, slots=3),  # id 5 fills unused slots
    ),
    (Field("a x c", "vocabulary", 4),),
)
FIELDS = len(SCHEMA.fields)
Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]
Row = tuple[list[int], list[float]]  # ids of slots and crosses, values of value fields
Reference = Callable[[Weights, Row], float]


def slots(row: Row) -> list[tuple[int, int, float]]:
    """Field, row of the table and factor of every value; for field e the mean of its values."""
    ids, values = row
    e = [16 + i for i in ids[4:7] if i != 5]
    single = [(0, ids[0], 1.0), (1, 5 + ids[1], values[0]), (2, 7 + ids[2], 1.0)]
    return [*single, (3, 14 + ids[3], values[1]), *((4, i, 1 / len(e)) for i in e)]


def vectors(table: Floats, row: Row) -> Floats:
    """x_i times the table's row of field i."""
    found = np.zeros((FIELDS + (len(table) > 22), table.shape[1]))
    for field, i, x in slots(row):
        found[field] += x * table[i]
    if len(table) > 22:  # the table of a wide part
        found[FIELDS] = table[22 + row[0][7]]
    return found


def lr(w: Weights, row: Row, part: str = "") -> float:
    return float(w[f"{part}bias"] + sum(v[0] for v in vectors(w[f"{part}embedding.weight"], row)))


def fm(w: Weights, row: Row, part: str = "") -> float:
    v = vectors(w[f"{part}embedding.weight"], row)[:, 1:]
    pairs = sum(v[i] @ v[j] for i, j in combinations(range(FIELDS), 2))
    return lr(w, row, part) + float(pairs)


def ffm(w: Weights, row: Row) -> float:
    v = vectors(w["embedding.weight"], row)[:, 1:]

    def towards(i: int, j: int) -> Floats:
        return np.array([v[i, k * FIELDS + j] for k in range(3)])

    pairs = combinations(range(FIELDS), 2)
    return lr(w, row) + float(sum(towards(i, j) @ towards(j, i) for i, j in pairs))


def relu(a: Floats) -> Floats:
    return np.maximum(a, 0)


def mlp(w: Weights, a: Floats, part: str = "mlp.", act: Callable[[Floats], Floats] = relu) -> float:
    layers = sorted({int(key.removeprefix(part).split(".")[0]) for key in w if part in key[:9]})
    for layer in layers:
        if f"{part}{layer}.bias" in w:
            a = w[f"{part}{layer}.weight"] @ a + w[f"{part}{layer}.bias"]
            if layer != layers[-1] and f"{part}{layer + 1}.0.weight" not in w:
                a = act(a)
        else:  # a parametric activation, of one slope for all units
            a = np.where(a > 0, a, w[f"{part}{layer}.0.weight"] * a)
    return float(a[0])


def normed(w: Weights, a: Floats, part: str) -> Floats:
    """Batch normalisation by the running figures."""
    centred = (a - w[f"{part}running_mean"]) / np.sqrt(w[f"{part}running_var"] + 1e-5)
    return centred * w[f"{part}weight"] + w[f"{part}bias"]


def dice(w: Weights, s: Floats, part: str) -> Floats:
    """By the running figures."""
    deviation = np.sqrt(w[f"{part}norm.running_var"] + 1e-8)
    p = 1 / (1 + np.exp(-(s - w[f"{part}norm.running_mean"]) / deviation))
    return p * s + (1 - p) * w[f"{part}alpha"] * s


def network(w: Weights, a: Floats, part: str, *, output: bool = True) -> Floats:
    """Linear layers and what follows each, relu(norm(W a + b)); nothing follows an ``output``."""
    numbers = {int(key.removeprefix(part).split(".")[0]) for key in w if key.startswith(part)}
    layers = sorted(n for n in numbers if f"{part}{n}.weight" in w)
    for n in layers:
        a = w[f"{part}{n}.weight"] @ a
        if f"{part}{n + 1}.0.running_mean" in w and f"{part}{n + 1}.0.weight" in w:
            assert f"{part}{n}.bias" not in w  # it would be subtracted again
            a = normed(w, a, f"{part}{n + 1}.0.")
        else:
            a = a + w[f"{part}{n}.bias"]
        if f"{part}{n + 1}.0.alpha" in w:
            a = dice(w, a, f"{part}{n + 1}.0.")
        elif not output or n != layers[-1]:
            a = relu(a)
    return a


def dnn(w: Weights, row: Row) -> float:
    return mlp(w, vectors(w["deep.embedding.weight"], row).ravel(), "deep.mlp.")


def deepfm(w: Weights, row: Row) -> float:
    return fm(w, row) + mlp(w, vectors(w["embedding.weight"], row)[:, 1:].ravel())


def fnn_normed(w: Weights, row: Row) -> float:
    return float(network(w, vectors(w["embedding.weight"], row).ravel(), "mlp.")[0])


def pnn_normed(w: Weights, row: Row) -> float:
    f = vectors(w["embedding.weight"], row)
    pre = w["linear.weight"] @ f.ravel() + outer(f, w["products.0.weight"])
    return float(network(w, relu(normed(w, pre, "hidden.0.")), "mlp.")[0])


def fnn(w: Weights, row: Row) -> float:
    return mlp(w, np.array([w["bias"], *vectors(w["embedding.weight"], row).ravel()]))


def inner(f: Floats, theta: Floats) -> Floats:
    """W_p^n . p with W_p^n = theta^n theta^nT, over all i and j."""
    every = [(i, j) for i in range(FIELDS) for j in range(FIELDS)]
    return np.array([sum(t[i] * t[j] * (f[i] @ f[j]) for i, j in every) for t in theta])


def pairwise(f: Floats, weight: Floats) -> Floats:
    p = [f[i] @ f[j] for i, j in combinations(range(FIELDS), 2)]
    return weight @ np.array(p)


def outer(f: Floats, weight: Floats) -> Floats:
    pooled = f.sum(axis=0)
    return np.array([np.sum(w.reshape(10, 10) * np.outer(pooled, pooled)) for w in weight])


def pnn(w: Weights, row: Row, *products: str, act: Callable[[Floats], Floats] = relu) -> float:
    f = vectors(w["embedding.weight"], row)
    pre = w["linear.weight"] @ f.ravel() + w["linear.bias"]
    functions = {"theta": inner, "pairs": pairwise, "outer": outer}
    for i, product in enumerate(products):
        key = "theta" if product == "theta" else "weight"
        pre = pre + functions[product](f, w[f"products.{i}.{key}"])
    return mlp(w, act(pre), act=act)


def ccpm(w: Weights, row: Row) -> float:
    s = vectors(w["embedding.weight"], row).T[None]  # maps, K, n
    for layer, (width, p) in enumerate([(3, 2), (2, 3)]):  # p = (1 - (1/2)^1) 5, then 3
        weight = w[f"convolutions.{layer}.weight"]
        n = s.shape[2] + width - 1
        padded = np.pad(s, ((0, 0), (0, 0), (width - 1, width - 1)))
        r = np.zeros((weight.shape[1], 3, n))
        for k in range(3):
            for o in range(len(r)):
                for m in range(n):
                    r[o, k, m] = np.sum(padded[:, k, m : m + width] * weight[k, o])
        keep = np.sort(np.argsort(r, axis=2)[:, :, -p:], axis=2)
        s = np.tanh(np.take_along_axis(r, keep, axis=2))
    return float((w["output.weight"] @ s.ravel() + w["output.bias"])[0])


REFERENCES: dict[str, Reference] = {
    "lr": lr,
    "fm": fm,
    "ffm": ffm,
    "fnn": fnn,
    "ipnn": lambda w, row: pnn(w, row, "theta", act=np.tanh),
    "opnn": lambda w, row: pnn(w, row, "outer"),
    "pnn": lambda w, row: pnn(w, row, "theta", "outer"),
    "wide_deep": lambda w, row: lr(w, row, "wide.") + dnn(w, row),
    "lr_dnn": lambda w, row: lr(w, row, "wide.") + dnn(w, row),
    "fm_dnn": lambda w, row: fm(w, row, "wide.") + dnn(w, row),
    "deepfm": deepfm,
    "ccpm": ccpm,
}
# Options of a model that change its formula.
VARIANTS: dict[str, tuple[str, list[str], Reference]] = {
    "ipnn full": (
        "ipnn",
        ["model.product=full", "model.activation=relu"],
        lambda w, row: pnn(w, row, "pairs"),
    ),
    "pnn full": ("pnn", ["model.product=full"], lambda w, row: pnn(w, row, "pairs", "outer")),
    "pnn of one layer": (
        "pnn",
        ["model.hidden=[6]"],
        lambda w, row: pnn(w, row, "theta", "outer"),
    ),
    "fnn normed": ("fnn", ["model.batch_norm=true"], fnn_normed),
    "opnn normed": ("opnn", ["model.batch_norm=true"], pnn_normed),
    "prelu": ("deepfm", ["model.activation=prelu"], deepfm),
    "sigmoid": (
        "opnn",
        ["model.activation=sigmoid"],
        lambda w, row: pnn(w, row, "outer", act=lambda a: 1 / (1 + np.exp(-a))),
    ),
}
