"""Interactions apart from the models that use them, by plain loops in float64."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ctrbench.data.schema import Field, Schema
from ctrbench.layers.embedding import Embedding, SomeFields
from ctrbench.layers.interactions import cross
from ctrbench.layers.interactions.bilinear import BilinearInteraction, SqueezeExcitation
from ctrbench.layers.interactions.compressed_interaction import CompressedInteraction
from ctrbench.layers.interactions.factorised import anova_kernel, bi_interaction, pair_products
from ctrbench.layers.interactions.field_weighted import FieldWeighted
from ctrbench.layers.interactions.logarithmic import LogarithmicTransformation

FIELDS, K = 5, 3
PAIRS = list(combinations(range(FIELDS), 2))
D = 4


def randomised(layer: nn.Module) -> Any:
    """The layer in float64, with random weights everywhere."""
    torch.manual_seed(1)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer.double().eval()


@pytest.fixture
def v() -> Tensor:
    """Embeddings of a batch, BFK."""
    torch.manual_seed(0)
    return torch.randn(6, FIELDS, K, dtype=torch.float64)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
def test_anova_kernel(v: Tensor, degree: int) -> None:
    chosen = combinations(range(FIELDS), degree)
    expected = sum(v[:, list(c)].prod(dim=1).sum(dim=1) for c in chosen)
    torch.testing.assert_close(anova_kernel(v, degree), expected)


def test_anova_kernel_of_too_few_fields_is_zero(v: Tensor) -> None:
    torch.testing.assert_close(anova_kernel(v[:, :2], 3), torch.zeros(6, dtype=torch.float64))


def test_pairs(v: Tensor) -> None:
    products = [v[:, i] * v[:, j] for i, j in PAIRS]
    torch.testing.assert_close(pair_products(v, v), torch.stack(products, dim=1))
    torch.testing.assert_close(bi_interaction(v), torch.stack(products).sum(dim=0))


@pytest.mark.parametrize("kind", ["number", "vector", "matrix"])
def test_field_weighted(v: Tensor, kind: str) -> None:
    layer = randomised(FieldWeighted(FIELDS, K, kind))
    expected = 0
    for (i, j), m in zip(PAIRS, layer.weight, strict=True):
        matrix = m if kind == "matrix" else torch.diag(m.expand(K))
        expected = expected + ((v[:, i] @ matrix) * v[:, j]).sum(dim=1)
    torch.testing.assert_close(layer(v), expected)


def test_a_bilinear_interaction_of_every_kind(v: Tensor) -> None:
    for kind in ("all", "each", "interaction"):
        layer = randomised(BilinearInteraction(FIELDS, K, kind))
        which = {"all": lambda p, i: 0, "each": lambda p, i: i, "interaction": lambda p, i: p}
        products = [
            (v[:, i] @ layer.weight[which[kind](p, i)]) * v[:, j] for p, (i, j) in enumerate(PAIRS)
        ]
        torch.testing.assert_close(layer(v), torch.cat(products, dim=1))


@pytest.mark.parametrize(("ratio", "units"), [(2, 2), (100, 1), (0.5, 10)])
def test_squeeze_excitation(v: Tensor, ratio: float, units: int) -> None:
    layer = randomised(SqueezeExcitation(FIELDS, ratio))
    assert layer.squeeze.shape == (units, FIELDS)
    for row, out in zip(v, layer(v), strict=True):
        z = torch.stack([f.mean() for f in row])
        weights = (layer.excite @ (layer.squeeze @ z).relu()).relu()
        torch.testing.assert_close(
            out, torch.stack([w * f for w, f in zip(weights, row, strict=True)])
        )


def test_compressed_interaction(v: Tensor) -> None:
    layer = randomised(CompressedInteraction(FIELDS, [4, 2]))
    x, pooled = v, []
    for weight in layer.weights:
        maps = []
        for w in weight:
            pairs = [(i, j) for i in range(x.shape[1]) for j in range(FIELDS)]
            maps.append(sum(w[i, j] * x[:, i] * v[:, j] for i, j in pairs))
        x = torch.stack(maps, dim=1)
        pooled.append(x.sum(dim=2))
    torch.testing.assert_close(layer(v), torch.cat(pooled, dim=1))


def one_step(name: str, layer: Any, x_0: Tensor, x: Tensor, n: int) -> Tensor:
    """Layer n of a cross network, of one row."""
    if name == "CrossNetwork":
        return torch.outer(x_0, x) @ layer.weight[n] + layer.bias[n] + x
    if name == "CrossNetworkMix":
        own = layer.layers[n]
        gates = (layer.gate @ x).softmax(dim=0)
        low = [(c @ (v @ x).tanh()).tanh() for v, c in zip(own.v, own.c, strict=True)]
        made = [x_0 * (u.T @ e + own.bias) for u, e in zip(own.u, low, strict=True)]
        return sum((g * m for g, m in zip(gates, made, strict=True)), x)
    linear = layer.layers[n]
    gate = (layer.gates[n] @ x).sigmoid() if name == "GatedCrossNetwork" else 1
    return x_0 * (linear.weight @ x + linear.bias) * gate + x


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    "name", ["CrossNetwork", "CrossNetworkV2", "CrossNetworkMix", "GatedCrossNetwork"]
)
def test_cross_networks(name: str, layers: int) -> None:
    rest = (2, 3) if name == "CrossNetworkMix" else ()
    layer = randomised(getattr(cross, name)(D, layers, *rest))
    batch = torch.randn(3, D, dtype=torch.float64)
    for x_0, out in zip(batch, layer(batch), strict=True):
        x = x_0
        for n in range(layers):
            x = one_step(name, layer, x_0, x, n)
        torch.testing.assert_close(out, x)


def test_logarithmic_neurons_are_products_of_powers(v: Tensor) -> None:
    layer = LogarithmicTransformation(FIELDS, K, 2).double()
    with torch.no_grad():  # in training, normalised by the figures of the batch itself
        out = layer(v).view(-1, 2)
        e = v.abs().transpose(1, 2).reshape(-1, FIELDS)
        logs = e.log()
        logs = (logs - logs.mean(0)) / (logs.var(0, unbiased=False) + 1e-5).sqrt()
        powers = [(logs.exp() ** w).prod(dim=1) for w in layer.weight]
    products = torch.stack(powers, dim=1)
    expected = (products - products.mean(0)) / (products.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(out, expected)


def test_a_logarithm_of_zero_is_that_of_the_least() -> None:
    layer = LogarithmicTransformation(1, 1, 1).double().eval()
    zero, least = (layer(torch.full((1, 1, 1), x, dtype=torch.float64)) for x in (0.0, 1e-5))
    assert torch.equal(zero, least) and zero.isfinite().all()


def test_some_fields_alone() -> None:
    """Those of the whole, in a table of their own."""
    schema = Schema(
        (
            Field("a", "vocabulary", 3),
            Field("b", "value", 2),
            Field("c", "sum", 4, slots=2),
            Field("d", "value", 2),
        )
    )
    whole, some = Embedding(schema, 2, 1.0), SomeFields(schema, [2, 3], 2, 1.0)
    with torch.no_grad():
        some.embedding.weight.copy_(whole.weight[5:])
    ids = torch.tensor([[2, 1, 0, 3, 1], [0, 0, 1, 2, 0]], dtype=torch.int32)
    values = torch.tensor([[0.5, -2.0], [1.5, 3.0]])
    torch.testing.assert_close(some(ids, values), whole(ids, values)[:, 2:])
    np.testing.assert_array_equal(some(ids, values).shape, (2, 2, 2))
