"""L2 as part of the gradient, of the embedding tables and of the network apart."""

from typing import Any

import torch
from torch import nn

from ctrbench.optim.registry import split_parameters
from ctrbench.optim.settings import DenseSettings


def decayed_groups(model: nn.Module, settings: DenseSettings) -> list[dict[str, Any]]:
    """The parameters with the weight decay of each."""
    tables, network = split_parameters(model)
    l2_embedding = settings.l2_embedding if settings.l2_rows == "all" else 0.0
    return [
        {"params": tables, "weight_decay": l2_embedding},
        {"params": network, "weight_decay": settings.l2_network},
    ]


def decay_rows_of_the_batch(
    optimizer: torch.optim.Optimizer, model: nn.Module, settings: DenseSettings
) -> torch.optim.Optimizer:
    """L2 on those rows alone whose gradient is not zero: the features of the batch."""
    tables, l2 = split_parameters(model)[0], settings.l2_embedding

    @torch.no_grad()
    def add(*_: Any) -> None:
        for table in tables:
            if table.grad is not None:
                touched_V1 = table.grad.any(dim=1, keepdim=True)
                table.grad.addcmul_(table, touched_V1.to(table.dtype), value=l2)

    if settings.l2_rows == "batch" and l2 > 0:
        optimizer.register_step_pre_hook(add)
    return optimizer
