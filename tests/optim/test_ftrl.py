"""FTRL-Proximal against a scalar float64 transcription of the paper's algorithm 1."""

import math

import numpy as np
import pytest
import torch

from ctrbench.optim.ftrl import FTRL


class Scalar:
    """One coordinate. Its learning rate is alpha / (beta + sqrt(n)); ``alpha`` may be set anew."""

    def __init__(self, alpha: float, beta: float, l1: float, l2: float) -> None:
        self.alpha, self.beta, self.l1, self.l2 = alpha, beta, l1, l2
        self.z = self.n = 0.0
        self.sum = beta / alpha  # of all sigma: 1 over the learning rate

    def weight(self) -> float:
        if abs(self.z) <= self.l1:
            return 0.0
        return -(self.z - math.copysign(self.l1, self.z)) / (self.sum + self.l2)

    def update(self, g: float) -> None:
        self.n += g * g
        s = (self.beta + math.sqrt(self.n)) / self.alpha - self.sum
        self.z += g - s * self.weight()
        self.sum += s


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
def test_as_the_paper_over_sparse_steps(l1: float, l2: float, scheduled: bool) -> None:
    """Also where alpha is another one in every step: alone it moves no weight."""
    rng = np.random.default_rng(0)
    reference = [Scalar(0.1, 1.0, l1, l2) for _ in range(20)]
    w = torch.nn.Parameter(torch.zeros(20, dtype=torch.float64))
    optimizer = FTRL([w], lr=0.1, beta=1.0, l1=l1, l2=l2)
    sparse = False
    for step in range(400):
        if scheduled:
            alpha = 0.1 * (1.1 + math.cos(step / 30))
            optimizer.param_groups[0]["lr"] = torch.tensor(alpha, dtype=torch.float64)
            for one in reference:
                one.alpha = alpha
        present = rng.random(20) < 0.3
        gradient = np.where(present, rng.normal(0.1, 1, 20), 0.0)
        before = w.detach().clone()
        w.grad = torch.tensor(gradient)
        optimizer.step()
        for i in np.flatnonzero(present):
            reference[i].update(gradient[i])
        np.testing.assert_allclose(w.detach(), [r.weight() for r in reference], rtol=1e-10, atol=0)
        assert torch.equal(w[~torch.tensor(present)], before[~torch.tensor(present)])
        sparse |= bool((w[torch.tensor(present)] == 0).any())
    assert sparse == (l1 > 0)


def test_starts_at_the_given_weights() -> None:
    start = torch.tensor([0.5, -2.0, 0.0], dtype=torch.float64)
    w = torch.nn.Parameter(start.clone())
    optimizer = FTRL([w], lr=0.1, beta=1.0, l1=0.2, l2=0.1)
    w.grad = torch.zeros_like(w)
    optimizer.step()
    torch.testing.assert_close(w.detach(), start, rtol=1e-12, atol=0)
