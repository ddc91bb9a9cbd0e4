"""An exponential moving average of the weights over the steps (Polyak & Juditsky 1992)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ctrbench.optim.base import Optimizer


class Average:
    """After t steps, sum_s d^(t - s) w_s / sum_s d^(t - s) over the steps s = 1, ..., t.

    So the initial weights have no part in it, and the first evaluations are of trained weights.
    Batch norm's statistics are averaged like weights; its counter is the current one.

    It is exact, and takes one more pass over all weights in every step. In a large table on a CPU
    Adam then updates all rows in every step, not only those of the batch.

    Args:
        decay: d.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, decay: float) -> None:
        if isinstance(optimizer, Optimizer):
            optimizer.move_all_rows()
        self.decay = decay
        self.weights = [w.detach() for w in model.state_dict(keep_vars=True).values()]
        self.means = [w.clone() for w in self.weights]
        self.power = torch.ones((), dtype=torch.float64, device=self.weights[0].device)  # d^t

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights. Nothing waits for the device."""
        self.power.mul_(self.decay)
        share = (1 - self.decay) / (1 - self.power)
        for mean, w in zip(self.means, self.weights, strict=True):
            if mean.is_floating_point():
                mean.lerp_(w, share.to(mean.dtype))
            else:
                mean.copy_(w)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the model's weights are the average. They are swapped one by one, so that only
        the largest of them is ever held twice."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for mean, w in zip(self.means, self.weights, strict=True):
            held = w.clone()
            w.copy_(mean)
            mean.copy_(held)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"means": self.means, "power": self.power}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state_dict`, in place."""
        for mean, loaded in zip(self.means, state["means"], strict=True):
            mean.copy_(loaded)
        self.power.copy_(state["power"])
