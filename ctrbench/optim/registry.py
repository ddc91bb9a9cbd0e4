"""Settings give an optimizer over a model's parameters."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ctrbench.errors import UserError
from ctrbench.layers.embedding import Embedding
from ctrbench.optim.ftrl import FTRL
from ctrbench.optim.joint import Joint, Optimizer
from ctrbench.optim.settings import (
    AdagradSettings,
    AdamSettings,
    DenseSettings,
    FTRLSettings,
    JointSettings,
    OptimizerSettings,
)


def _adam(model: nn.Module, settings: AdamSettings) -> torch.optim.Optimizer:
    betas = (settings.betas[0], settings.betas[1])
    groups = _groups(model, settings)
    optimizer = torch.optim.Adam(groups, settings.lr, betas, settings.eps, fused=True)
    return _decay_rows_of_the_batch(optimizer, model, settings)


def _adagrad(model: nn.Module, settings: AdagradSettings) -> torch.optim.Optimizer:
    groups = _groups(model, settings)
    on_cpu = all(p.device.type == "cpu" for p in model.parameters())
    optimizer = torch.optim.Adagrad(groups, settings.lr, eps=settings.eps, fused=on_cpu)
    return _decay_rows_of_the_batch(optimizer, model, settings)


def _groups(model: nn.Module, settings: DenseSettings) -> list[dict[str, Any]]:
    tables, network = split_parameters(model)
    l2_embedding = settings.l2_embedding if settings.l2_rows == "all" else 0.0
    return [
        {"params": tables, "weight_decay": l2_embedding},
        {"params": network, "weight_decay": settings.l2_network},
    ]


def _decay_rows_of_the_batch(
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


def _ftrl(model: nn.Module, settings: FTRLSettings) -> torch.optim.Optimizer:
    return FTRL(
        model.parameters(), lr=settings.lr, beta=settings.beta, l1=settings.l1, l2=settings.l2
    )


def _joint(model: nn.Module, settings: JointSettings) -> Joint:
    parts = dict(model.named_children())
    if set(parts) != {"wide", "deep"}:
        raise UserError(
            "optimizer=joint takes a model of a wide and a deep part (wide_deep, lr_dnn, fm_dnn); "
            "for this one use optimizer=adam"
        )
    return Joint({name: build(part, getattr(settings, name)) for name, part in parts.items()})


OPTIMIZERS: dict[type[OptimizerSettings], Callable[[nn.Module, Any], Optimizer]] = {
    AdamSettings: _adam,
    AdagradSettings: _adagrad,
    FTRLSettings: _ftrl,
    JointSettings: _joint,
}


def build(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """The optimizer of the settings' class, over all parameters of the model.

    Raises:
        UserError: for an optimizer of parts that the model does not have.
    """
    return OPTIMIZERS[type(settings)](model, settings)


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The embedding tables, and all other parameters."""
    tables = [m.weight for m in model.modules() if isinstance(m, Embedding)]
    known = {id(table) for table in tables}
    return tables, [p for p in model.parameters() if id(p) not in known]
