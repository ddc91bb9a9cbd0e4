"""Settings give an optimizer over a model's parameters."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ctrbench.layers.embedding import Embedding
from ctrbench.optim.ftrl import FTRL
from ctrbench.optim.settings import AdamSettings, FTRLSettings, OptimizerSettings


def _adam(model: nn.Module, settings: AdamSettings) -> torch.optim.Optimizer:
    tables, network = split_parameters(model)
    groups = [
        {"params": tables, "weight_decay": settings.l2_embedding},
        {"params": network, "weight_decay": settings.l2_network},
    ]
    betas = (settings.betas[0], settings.betas[1])
    return torch.optim.Adam(groups, lr=settings.lr, betas=betas, eps=settings.eps, fused=True)


def _ftrl(model: nn.Module, settings: FTRLSettings) -> torch.optim.Optimizer:
    return FTRL(
        model.parameters(), lr=settings.lr, beta=settings.beta, l1=settings.l1, l2=settings.l2
    )


OPTIMIZERS: dict[type[OptimizerSettings], Callable[[nn.Module, Any], torch.optim.Optimizer]] = {
    AdamSettings: _adam,
    FTRLSettings: _ftrl,
}


def build(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of the settings' class, over all parameters of the model."""
    return OPTIMIZERS[type(settings)](model, settings)


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The embedding tables, and all other parameters."""
    tables = [m.weight for m in model.modules() if isinstance(m, Embedding)]
    known = {id(table) for table in tables}
    return tables, [p for p in model.parameters() if id(p) not in known]
