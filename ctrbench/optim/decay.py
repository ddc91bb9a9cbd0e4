"""L2 as part of the gradient, with separate weights for embedding tables and network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.optim.base import Optimizer
from ctrbench.optim.registry import split_parameters
from ctrbench.optim.settings import DenseSettings
from ctrbench.optim.touched import Spread, touched


def decayed_groups(model: nn.Module, settings: DenseSettings) -> list[dict[str, Any]]:
    """The parameters with the weight decay of each: of all rows, or of those of the batch.

    ``l2_embedding`` r on all rows is the gradient of r / 2 times the squared norm of the whole
    tables, first-order weights included, and ``l2_network`` of all other weights: biases, w_0 and
    those of batch norm. So does FuxiCTR take its ``embedding_regularizer`` and ``net_regularizer``.
    """
    tables, network = split_parameters(model)
    everywhere = settings.l2_rows == "all"
    return [
        {
            "params": tables,
            "weight_decay": settings.l2_embedding if everywhere else 0.0,
            "batch_decay": 0.0 if everywhere else settings.l2_embedding,
        },
        {"params": network, "weight_decay": settings.l2_network, "batch_decay": 0.0},
    ]


class DecayedByParts(Optimizer):
    """Prepares the gradients for one of torch's optimizers: adds L2 on the rows of the batch where
    it is on those alone, and takes care of the sparse gradients of tables."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._spread, self._l2_added = Spread(), False

    def of_table(self, w: Tensor, group: dict[str, Any]) -> None:
        """Make the sparse gradient of a table dense, or move its rows and leave no gradient."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        l2_added, self._l2_added = self._l2_added, False
        for group in self.param_groups:
            for w in group["params"]:
                if not l2_added:
                    decay_rows_of_the_batch(w, group["batch_decay"])
                if w.grad is not None and w.grad.is_sparse:
                    self.of_table(w, group)
        with _no_decay(self.param_groups) if l2_added else nullcontext():
            super().step()

    @torch.no_grad()
    def add_l2(self) -> None:
        """A pass over all weights with L2, which a step by itself takes as it moves them."""
        for group in self.param_groups:
            for w in group["params"]:
                decay_rows_of_the_batch(w, group["batch_decay"])
                if w.grad is not None and group["weight_decay"] > 0:
                    if w.grad.is_sparse:
                        self._spread(w)
                    w.grad.add_(w, alpha=group["weight_decay"])
        self._l2_added = True


@contextmanager
def _no_decay(groups: list[dict[str, Any]]) -> Iterator[None]:
    """Within, torch's optimizer adds no L2 of its own."""
    held = [group["weight_decay"] for group in groups]
    for group in groups:
        group["weight_decay"] = 0.0
    try:
        yield
    finally:
        for group, decay in zip(groups, held, strict=True):
            group["weight_decay"] = decay


def decay_rows_of_the_batch(w: Tensor, l2: float) -> None:
    """L2 on those rows alone whose gradient is not zero: the features of the batch."""
    grad = w.grad
    if grad is None or l2 == 0:
        return
    if grad.is_sparse:
        rows_U, grad = touched(w)
        w = w.index_select(0, rows_U)
    grad.addcmul_(w, grad.any(dim=1, keepdim=True).to(w.dtype), value=l2)
