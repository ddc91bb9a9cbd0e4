"""Layers apart from the models that use them."""

import numpy as np
import pytest
import torch

from ctrbench.layers.mlp import Dropout


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
