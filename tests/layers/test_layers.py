"""Layers apart from the models that use them."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from support import Compose

from ctrbench.data.schema import Field, Schema
from ctrbench.errors import UserError
from ctrbench.layers.dice import Dice
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interactions.convolution import flexible_p, p_max_pooling
from ctrbench.layers.mlp import Dropout, Hidden, activation
from ctrbench.layers.settings import ACTIVATIONS
from ctrbench.models.registry import build


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_independently_with_probability_p(p: float) -> None:
    torch.manual_seed(0)
    layer = Dropout(p)
    ones = torch.ones(1000, 403, requires_grad=True)
    dropped = layer(ones)
    kept = (dropped != 0).double().detach().numpy()
    assert kept.mean() == pytest.approx(1 - p, abs=0.004)
    np.testing.assert_allclose(kept.mean(axis=0), 1 - p, atol=0.07)  # no column is special
    neighbours = np.corrcoef(kept[:, :-1].ravel(), kept[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.01
    assert dropped.max().item() == pytest.approx(1 / (1 - p), rel=1e-4)
    dropped.sum().backward()
    assert ones.grad is not None and torch.equal(ones.grad, dropped.detach())
    assert layer.eval()(ones) is ones


@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ("constant", [200, 200, 200]),
        ("increasing", [100, 200, 300]),
        ("decreasing", [300, 200, 100]),
        ("diamond", [150, 300, 150]),
    ],
)
def test_shapes_of_figure_11(shape: str, widths: list[int], settings: Compose) -> None:
    """By a width per layer or by the total, the same."""
    for size in ("model.neurons=200", "model.total_neurons=600"):
        assert settings("model=deepfm", f"model.shape={shape}", size).model.widths == widths


@pytest.mark.parametrize("shape", ["constant", "increasing", "decreasing", "diamond"])
@pytest.mark.parametrize("layers", [1, 2, 5, 7])
def test_a_shape_shares_out_all_neurons(shape: str, layers: int, settings: Compose) -> None:
    words = [f"model.shape={shape}", f"model.layers={layers}", "model.total_neurons=1001"]
    widths = settings("model=deepfm", *words).model.widths
    assert sum(widths) == 1001 and len(widths) == layers
    steps = np.sign(np.diff(widths))
    if shape == "increasing":
        assert (steps > 0).all()
    if shape == "decreasing":
        assert (steps < 0).all()
    if shape == "diamond":
        assert max(widths) == widths[layers // 2]


def test_a_layer_without_neurons(settings: Compose) -> None:
    words = ["model.shape=increasing", "model.layers=5", "model.total_neurons=6"]
    message = r"model.shape=increasing: 6 neurons in 5 layers give \[0, 1"
    with pytest.raises(UserError, match=message):
        settings("model=deepfm", *words)


@pytest.mark.parametrize("init", ["glorot_uniform", "glorot_normal"])
def test_initial_weights_of_a_network(init: str, settings: Compose) -> None:
    """Of linear layers and of products; embeddings, first-order weights and biases are others."""
    words = ["model.hidden=[300,200]", f"model.init_network={init}", "model.init_std=1e-4"]
    schema = Schema(tuple(Field(f"f{i}", "vocabulary", 500) for i in range(30)))
    torch.manual_seed(0)
    weights = build(schema, settings("model=pnn", *words).model).state_dict()
    for name, w in weights.items():
        if name == "embedding.weight":
            assert abs(w.std() / 1e-4 - 1) < 0.02
        elif w.dim() > 1 and w.numel() > 3_000:
            std = (2 / (w.shape[0] + w.shape[1])) ** 0.5
            law = stats.uniform(-(3**0.5) * std, 2 * 3**0.5 * std)
            law = stats.norm(0, std) if init == "glorot_normal" else law
            assert stats.kstest(w.flatten(), law.cdf).pvalue > 1e-3
        elif w.dim() == 1:
            assert not w.any()


def test_hidden_units_are_normalised_before_the_activation(settings: Compose) -> None:
    words = ["model.batch_norm=true", "model.dropout=0", "model.activation=tanh"]
    hidden = Hidden(3, settings("model=deepfm", *words).model)
    x = torch.randn(64, 3, dtype=torch.float64) * 5 + 2
    expected = ((x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()).tanh()
    torch.testing.assert_close(hidden.double()(x).detach(), expected)


def test_every_activation_is_what_its_name_says(settings: Compose) -> None:
    x = torch.tensor([[-2.0, 3.0]])
    expected = {
        "relu": [0, 3],
        "tanh": [np.tanh(-2), np.tanh(3)],
        "sigmoid": [1 / (1 + np.exp(2)), 1 / (1 + np.exp(-3))],
        "prelu": [-0.5, 3],
    }
    assert list(ACTIVATIONS) == [*expected, "dice"]  # of the batch, below
    own = settings("model=deepfm", "model.activation=dice").model
    assert isinstance(activation(own, 2), Dice)
    for name, values in expected.items():
        layer = activation(settings("model=deepfm", f"model.activation={name}").model, 2)
        np.testing.assert_allclose(layer(x).detach(), [values], rtol=1e-6)


def test_flexible_p() -> None:
    """p_i = (1 - (i / l)^(l - i)) n, and 3 for the last layer (CCPM, section 3.3)."""
    assert [flexible_p(i, 2, 39) for i in (1, 2)] == [19, 3]
    assert [flexible_p(i, 3, 27) for i in (1, 2, 3)] == [24, 9, 3]
    assert flexible_p(1, 2, 1) == 1  # at least one


def test_p_max_pooling_keeps_the_order() -> None:
    rows = torch.tensor([[3.0, 9.0, 1.0, 7.0, 8.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    assert p_max_pooling(rows, 3).tolist() == [[9, 7, 8], [5, 4, 3]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [1, 3, 7, 11])
def test_p_max_pooling_of_many_rows(p: int, dtype: torch.dtype) -> None:
    """Against Python's own sort; half of the rows have equal entries, also at the p-th place."""
    torch.manual_seed(0)
    r = torch.randn(2, 40, 11)
    r[:, ::2] = r[:, ::2].round()
    r = r.to(dtype)
    found = p_max_pooling(r, p)
    assert found.dtype == dtype and found.shape == (2, 40, p)
    for row, kept in zip(r.flatten(0, 1).tolist(), found.flatten(0, 1).tolist(), strict=True):
        assert sorted(kept) == sorted(row)[-p:]
        rest = iter(row)
        assert all(value in rest for value in kept)  # a subsequence


def test_the_gradient_of_p_max_pooling_goes_to_the_kept() -> None:
    r = torch.tensor([[3.0, 9.0, 1.0, 7.0, 7.5]], requires_grad=True)
    p_max_pooling(r, 2).backward(torch.tensor([[2.0, 5.0]]))
    assert r.grad is not None and r.grad.tolist() == [[0, 2, 0, 0, 5]]


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_several_values_are_pooled(pooling: str) -> None:
    """Slots without a value (the field's last id) count for nothing."""
    schema = Schema((Field("one", "vocabulary", 3), Field("several", pooling, 4, slots=3)))
    layer = Embedding(schema, 2, 1.0)
    ids: Any = torch.tensor([[2, 0, 1, 3], [1, 2, 3, 3]], dtype=torch.int32)
    found = layer(ids, torch.empty(2, 0))
    w = layer.weight
    pair = w[3 + 0] + w[3 + 1]
    torch.testing.assert_close(found[0, 1], pair / 2 if pooling == "mean" else pair)
    torch.testing.assert_close(found[1], torch.stack([w[1], w[3 + 2]]))


def test_dice_in_training_goes_by_the_batch() -> None:
    """Eq. 4 of DIN, by the mean and the biased variance of a batch, in float64."""
    dice = Dice(3).double().train()
    torch.nn.init.normal_(dice.alpha)
    s = torch.randn(50, 3, dtype=torch.float64) * 3 + 1
    x, alpha = s.numpy(), dice.alpha.detach().numpy()
    p = 1 / (1 + np.exp(-(x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-8)))
    np.testing.assert_allclose(dice(s).detach(), p * x + (1 - p) * alpha * x, rtol=1e-10)
