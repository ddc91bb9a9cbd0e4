"""Cross networks, each layer a step of its recursion."""

from collections.abc import Callable

import numpy as np
from models.references.base import Floats, Row, Weights, network, normed, vectors

Cross = Callable[[Weights, Floats], Floats]
Bridge = Callable[[Weights, Floats, Floats, int], Floats]


def _embedded(w: Weights, row: Row) -> Floats:
    return vectors(w["embedding.weight"], row).ravel()


def _sigmoid(a: Floats) -> Floats:
    return 1 / (1 + np.exp(-a))


def vector_cross(w: Weights, x_0: Floats) -> Floats:
    x = x_0
    for weight, bias in zip(w["cross.weight"], w["cross.bias"], strict=True):
        x = np.outer(x_0, x) @ weight + bias + x
    return x


def matrix_cross(w: Weights, x_0: Floats) -> Floats:
    x = x_0
    for n in range(3):
        x = x_0 * (w[f"cross.layers.{n}.weight"] @ x + w[f"cross.layers.{n}.bias"]) + x
    return x


def mixture_cross(w: Weights, x_0: Floats) -> Floats:
    x = x_0
    for n in range(3):
        v, c, u, b = (w[f"cross.layers.{n}.{key}"] for key in ("v", "c", "u", "bias"))
        gates = np.exp(w["cross.gate"] @ x)
        gates /= gates.sum()
        experts = [
            x_0 * (u[e].T @ np.tanh(c[e] @ np.tanh(v[e] @ x)) + b) for e in range(len(gates))
        ]
        x = sum((g * e for g, e in zip(gates, experts, strict=True)), x)
    return x


def gated_cross(w: Weights, x_0: Floats) -> Floats:
    x = x_0
    for n in range(3):
        gate = _sigmoid(w[f"cross.gates.{n}"] @ x)
        x = x_0 * (w[f"cross.layers.{n}.weight"] @ x + w[f"cross.layers.{n}.bias"]) * gate + x
    return x


def alone(cross: Cross) -> Callable[[Weights, Row], float]:
    def reference(w: Weights, row: Row) -> float:
        crossed = cross(w, _embedded(w, row))
        return float(w["output"] @ crossed + w["bias"])

    return reference


def parallel(cross: Cross) -> Callable[[Weights, Row], float]:
    def reference(w: Weights, row: Row) -> float:
        x = _embedded(w, row)
        return float(w["output"] @ cross(w, x) + network(w, x, "mlp.")[0])

    return reference


def stacked(cross: Cross) -> Callable[[Weights, Row], float]:
    def reference(w: Weights, row: Row) -> float:
        return float(network(w, cross(w, _embedded(w, row)), "mlp.")[0])

    return reference


def edcn(w: Weights, row: Row, *, bridge: Bridge | None = None) -> float:
    bridge = bridge or _bridge
    f, x_0 = _embedded(w, row), None
    for n in range(2):
        c = h = f
        if f"regulations.{n}.gates" in w:
            gates = np.exp(w[f"regulations.{n}.gates"] / 5)
            gates = np.repeat(gates / gates.sum(axis=1, keepdims=True), 3, axis=1)
            c, h = gates[0] * f, gates[1] * f
        if f"regulations.{n}.norms.0.weight" in w:
            c = normed(w, c, f"regulations.{n}.norms.0.")
            h = normed(w, h, f"regulations.{n}.norms.1.")
        x_0 = c if x_0 is None else x_0
        c = np.outer(x_0, c) @ w[f"crosses.{n}.weight"] + w.get(f"crosses.{n}.bias", 0) + c
        h = network(w, h, f"hidden.{n}.", output=False)
        f = bridge(w, c, h, n)
    return float((w["output.weight"] @ np.concatenate([c, h, f]) + w["output.bias"])[0])


def _bridge(w: Weights, c: Floats, h: Floats, n: int) -> Floats:
    if f"bridges.{n}.joined.0.weight" in w:
        return network(w, np.concatenate([c, h]), f"bridges.{n}.joined.", output=False)
    return c * h


REFERENCES = {
    "crossnet": alone(vector_cross),
    "dcn": parallel(vector_cross),
    "crossnet_v2": alone(matrix_cross),
    "dcnv2": parallel(matrix_cross),
    "gdcn": parallel(gated_cross),
    "edcn": edcn,
}
MIXTURE = ["model.rank=2", "model.experts=3"]
VARIANTS = {
    "crossnet_v2 mixture": ("crossnet_v2", MIXTURE, alone(mixture_cross)),
    "dcnv2 stacked": ("dcnv2", ["model.structure=stacked"], stacked(matrix_cross)),
    "dcnv2 mixture": ("dcnv2", MIXTURE, parallel(mixture_cross)),
    "dcnv2 mixture stacked": (
        "dcnv2",
        [*MIXTURE, "model.structure=stacked"],
        stacked(mixture_cross),
    ),
    "gdcn stacked": ("gdcn", ["model.structure=stacked"], stacked(gated_cross)),
    "edcn plain": (
        "edcn",
        ["model.batch_norm=false", "model.bridge=concatenation"],
        edcn,
    ),
    "edcn addition": (
        "edcn",
        ["model.bridge=addition"],
        lambda w, row: edcn(w, row, bridge=lambda w, c, h, n: c + h),
    ),
    "edcn without regulation": ("edcn", ["model.temperature=null"], edcn),
}
