"""L2 as part of the gradient, with separate coefficients for embedding tables and network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.optim.base import Optimizer
from ctrbench.optim.registry import split_parameters
from ctrbench.optim.settings import DenseSettings
from ctrbench.optim.sparse_rows import DenseGradients, sparse_gradient


def l2_groups(model: nn.Module, settings: DenseSettings) -> list[dict[str, Any]]:
    """Return parameter groups with the L2 coefficient of each, for all rows or those of the batch.

    With coefficient r the gradient is that of r / 2 times the squared norm: of the whole tables,
    first-order weights included (``l2_embedding``), and of all other weights (``l2_network``), with
    biases, w_0 and the weights of batch normalisation. FuxiCTR's ``embedding_regularizer`` and
    ``net_regularizer`` are defined in the same way.
    """
    tables, network = split_parameters(model)
    all_rows = settings.l2_rows == "all"
    return [
        {
            "params": tables,
            "weight_decay": settings.l2_embedding if all_rows else 0.0,
            "batch_decay": 0.0 if all_rows else settings.l2_embedding,
        },
        {"params": network, "weight_decay": settings.l2_network, "batch_decay": 0.0},
    ]


class L2Optimizer(Optimizer):
    """Base of torch's optimizers with the L2 terms of :func:`l2_groups` and sparse gradients."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dense, self._l2_added = DenseGradients(), False

    def update_table(self, w: Tensor, group: dict[str, Any]) -> None:
        """Update the rows of w's sparse gradient and remove it, or make the gradient dense."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        l2_added, self._l2_added = self._l2_added, False
        for group in self.param_groups:
            for w in group["params"]:
                if not l2_added:
                    add_l2_of_batch_rows(w, group["batch_decay"])
                if w.grad is not None and w.grad.is_sparse:
                    self.update_table(w, group)
        with _without_weight_decay(self.param_groups) if l2_added else nullcontext():
            super().step()

    @torch.no_grad()
    def add_l2(self) -> None:
        """Add the L2 terms in a pass of their own, which a plain step does not need."""
        for group in self.param_groups:
            for w in group["params"]:
                add_l2_of_batch_rows(w, group["batch_decay"])
                if w.grad is not None and group["weight_decay"] > 0:
                    if w.grad.is_sparse:
                        self._dense.to_dense(w)
                    w.grad.add_(w, alpha=group["weight_decay"])
        self._l2_added = True


@contextmanager
def _without_weight_decay(groups: list[dict[str, Any]]) -> Iterator[None]:
    """Set torch's weight decay to 0 within the block."""
    decays = [group["weight_decay"] for group in groups]
    for group in groups:
        group["weight_decay"] = 0.0
    try:
        yield
    finally:
        for group, decay in zip(groups, decays, strict=True):
            group["weight_decay"] = decay


def add_l2_of_batch_rows(w: Tensor, l2: float) -> None:
    """Add L2 to the rows whose gradient is not zero: the features of the batch."""
    grad = w.grad
    if grad is None or l2 == 0:
        return
    if grad.is_sparse:
        rows_U, grad = sparse_gradient(w)
        w = w.index_select(0, rows_U)
    grad.addcmul_(w, grad.any(dim=1, keepdim=True).to(w.dtype), value=l2)
