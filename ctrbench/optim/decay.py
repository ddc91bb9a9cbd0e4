"""L2 as part of the gradient, of the embedding tables and of the network apart."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ctrbench.optim.registry import split_parameters
from ctrbench.optim.settings import DenseSettings
from ctrbench.optim.touched import touched


def decayed_groups(model: nn.Module, settings: DenseSettings) -> list[dict[str, Any]]:
    """The parameters with the weight decay of each: of all rows, or of those of the batch."""
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


class DecayedByParts(torch.optim.Optimizer):
    """What goes before the step of one of torch's optimizers: L2 on the rows of the batch, where it
    is of those alone, and what is done with the sparse gradients of tables."""

    def of_table(self, w: Tensor, group: dict[str, Any]) -> None:
        """Make the sparse gradient of a table dense, or move its rows and leave no gradient."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            for w in group["params"]:
                decay_rows_of_the_batch(w, group["batch_decay"])
                if w.grad is not None and w.grad.is_sparse:
                    self.of_table(w, group)
        super().step()


def decay_rows_of_the_batch(w: Tensor, l2: float) -> None:
    """L2 on those rows alone whose gradient is not zero: the features of the batch."""
    grad = w.grad
    if grad is None or l2 == 0:
        return
    if grad.is_sparse:
        rows_U, grad = touched(w)
        w = w.index_select(0, rows_U)
    grad.addcmul_(w, grad.any(dim=1, keepdim=True).to(w.dtype), value=l2)
