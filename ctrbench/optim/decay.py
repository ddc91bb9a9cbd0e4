"""L2 as part of the gradient, of the embedding tables and of the network apart."""

from typing import Any

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


def decay_rows_of_the_batch(w: Tensor, l2: float) -> None:
    """L2 on those rows alone whose gradient is not zero: the features of the batch."""
    grad = w.grad
    if grad is None or l2 == 0:
        return
    if grad.is_sparse:
        rows_U, grad = touched(w)
        w = w.index_select(0, rows_U)
    grad.addcmul_(w, grad.any(dim=1, keepdim=True).to(w.dtype), value=l2)
