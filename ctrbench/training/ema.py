"""An exponential moving average of the weights over the steps (Polyak & Juditsky 1992)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.optim.base import Optimizer


def distinct_tensors(model: nn.Module) -> list[Tensor]:
    """Return the tensors of a model's state, each once, also where two layers share one."""
    tensors = [w.detach() for w in model.state_dict(keep_vars=True).values()]
    return list({(w.data_ptr(), w.shape, w.stride()): w for w in tensors}.values())


class ExponentialMovingAverage:
    """Average the weights over the steps: sum_s d^(t - s) w_s / sum_s d^(t - s), s = 1, ..., t.

    The initial weights have no part in it, so the first evaluations are of trained weights. The
    statistics of batch normalisation are averaged like weights; its counter is the current one.

    Each step takes one more pass over all weights, and lazy updates are disabled.

    Args:
        decay: d.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, decay: float) -> None:
        if isinstance(optimizer, Optimizer):
            optimizer.disable_lazy_updates()
        self.decay = decay
        self.weights = distinct_tensors(model)
        self.means = [w.clone() for w in self.weights]
        self.power = torch.ones((), dtype=torch.float64, device=self.weights[0].device)  # d^t

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights, without waiting for the device."""
        self.power.mul_(self.decay)
        share = (1 - self.decay) / (1 - self.power)
        for mean, w in zip(self.means, self.weights, strict=True):
            if mean.is_floating_point():
                mean.lerp_(w, share.to(mean.dtype))
            else:
                mean.copy_(w)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model the average weights within the block.

        Tensors are swapped one by one, so that only the largest exists twice.
        """
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for mean, w in zip(self.means, self.weights, strict=True):
            copy = w.clone()
            w.copy_(mean)
            mean.copy_(copy)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"means": self.means, "power": self.power}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned, in place."""
        for mean, loaded in zip(self.means, state["means"], strict=True):
            mean.copy_(loaded)
        self.power.copy_(state["power"])
