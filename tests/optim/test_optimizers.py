"""Adam and AdaGrad against their formulas in float64, L2 by parts, and the joint optimizer."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support import Compose, run, run_directory, small

from ctrbench.data.schema import Field, Schema
from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.models.wide_deep import LRDNN
from ctrbench.optim import registry as optimizers
from ctrbench.optim.ftrl import FTRL

SCHEMA = Schema((Field("a", "vocabulary", 3), Field("b", "vocabulary", 4)))


def steps(settings: Compose, *words: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of a DeepFM before and after 3 steps on the gradients of :func:`gradients`."""
    own = settings("model=deepfm", "model.hidden=[3]", *words)
    torch.manual_seed(0)
    model = registry.build(SCHEMA, own.model).double()
    optimizer = optimizers.build(model, own.optimizer)
    tables, network = optimizers.split_parameters(model)
    start = [p.detach().numpy().copy() for p in tables + network]
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        for p in tables + network:
            p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        tables[0].grad[2] = 0  # type: ignore[index]  # a feature that is not in the batch
        optimizer.step()
    return start, [p.detach().numpy() for p in tables + network]


def gradients(start: list[np.ndarray]) -> list[list[np.ndarray]]:
    generator = torch.Generator().manual_seed(1)
    drawn = [
        [torch.randn(w.shape, generator=generator, dtype=torch.float64).numpy() for w in start]
        for _ in range(3)
    ]
    for step in drawn:
        step[0][2] = 0
    return drawn


L2 = ["optimizer.l2_embedding=.3", "optimizer.l2_network=.2"]


@pytest.mark.parametrize("rows", ["all", "batch"])
def test_adam(rows: str, settings: Compose) -> None:
    """Dense: a row outside the batch moves on by its momentum; L2 is part of the gradient."""
    start, ours = steps(settings, *L2, f"optimizer.l2_rows={rows}", "optimizer.lr=.01")
    for i, w in enumerate(start):
        m, v = np.zeros_like(w), np.zeros_like(w)
        for t, step in enumerate(gradients(start), 1):
            g = step[i].copy()
            g += decay(i, rows, g) * w
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            w = w - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(ours[i], w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", ["all", "batch"])
def test_adagrad(rows: str, settings: Compose) -> None:
    words = ["optimizer=adagrad", "tuned=none", *L2, f"optimizer.l2_rows={rows}", "optimizer.lr=.1"]
    start, ours = steps(settings, *words)
    for i, w in enumerate(start):
        n = np.zeros_like(w)
        for step in gradients(start):
            g = step[i].copy()
            g += decay(i, rows, g) * w
            n = n + g**2
            w = w - 0.1 * g / (np.sqrt(n) + 1e-10)
        np.testing.assert_allclose(ours[i], w, rtol=1e-9, atol=1e-12)


def decay(i: int, rows: str, gradient: np.ndarray) -> np.ndarray | float:
    """L2 of a parameter: the first is the table, whose row 2 has no gradient."""
    if i > 0:
        return 0.2
    touched = (gradient != 0).any(axis=1, keepdims=True)
    return 0.3 * (touched if rows == "batch" else np.ones_like(touched))


def test_joint_steps_each_part_by_its_own_optimizer(settings: Compose) -> None:
    """As FTRL and torch's AdaGrad do that know nothing of each other."""
    words = ["model=lr_dnn", "model.hidden=[3]", "tuned=none", "optimizer=joint"]
    own = settings(*words, "optimizer.wide.l1=.01", "optimizer.deep.lr=.03")
    model = registry.build(SCHEMA, own.model)
    apart = copy.deepcopy(model)
    assert isinstance(apart, LRDNN)
    optimizer = optimizers.build(model, own.optimizer)
    separate = (
        FTRL(apart.wide.parameters(), lr=0.05, beta=2e-4, l1=0.01, l2=1e-4),
        torch.optim.Adagrad(apart.deep.parameters(), 0.03, eps=1e-10),
    )
    before = [w.detach().clone() for w in model.parameters()]
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        for ours, theirs in zip(model.parameters(), apart.parameters(), strict=True):
            ours.grad = torch.randn(ours.shape, generator=generator)
            theirs.grad = ours.grad.clone()
        for each in (optimizer, *separate):
            each.step()
    for ours, theirs, old in zip(model.parameters(), apart.parameters(), before, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
        assert not torch.equal(ours, old)


def test_joint_needs_two_parts(settings: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"optimizer=joint takes a model of a wide and a deep part"):
        run(settings("model=deepfm", "optimizer=joint", "tuned=none"))
    assert not list(tmp_path.rglob("result.json"))


def test_wide_deep_by_one_adam(settings: Compose) -> None:
    result = run(settings(*small("wide_deep"), "optimizer=adam", "tuned=none"))
    assert result["status"] == "ok"


def test_l1_sets_wide_weights_to_zero(settings: Compose) -> None:
    shares = []
    for l1 in ("0", ".01"):
        own = settings(*small("wide_deep"), f"optimizer.wide.l1={l1}")
        run(own)
        weights = load_file(run_directory(own).weights)["wide.embedding.weight"]
        shares.append(float((weights == 0).double().mean()))
    assert shares[0] < 0.1 < 0.3 < shares[1] < 1


def test_tuned_values_belong_to_an_optimizer(settings: Compose) -> None:
    with pytest.raises(UserError, match=r"optimizer=adagrad: .* adam's.* tuned=none"):
        settings("model=deepfm", "tuned=planted/deepfm", "optimizer=adagrad")
    with pytest.raises(UserError, match=r"optimizer=joint: the tuned .* tuned=none"):
        settings("model=deepfm", "tuned=planted/deepfm", "optimizer=joint")
    own = settings("model=deepfm", "optimizer=adagrad", "tuned=none")
    assert own.optimizer.name == "adagrad"
