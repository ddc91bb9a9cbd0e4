"""Several optimizers stepped as one (Wide & Deep, section 3.3)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ctrbench.errors import UserError
from ctrbench.models.registry import Model
from ctrbench.optim.base import Optimizer
from ctrbench.optim.registry import build, builds
from ctrbench.optim.settings import JointSettings


class Joint(Optimizer):
    """An optimizer for each part of a model, on the gradients of one loss.

    Its parameter groups are those of its parts: what changes one (a schedule) changes the other.
    """

    def __init__(self, parts: dict[str, Optimizer]) -> None:
        self.parts = parts
        super().__init__([group for part in parts.values() for group in part.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every part."""
        for optimizer in self.parts.values():
            optimizer.step()

    def add_l2(self) -> None:
        for optimizer in self.parts.values():
            optimizer.add_l2()

    def move_all_rows(self) -> None:
        for optimizer in self.parts.values():
            optimizer.move_all_rows()

    def state_dict(self) -> dict[str, Any]:
        """The states by part."""
        return {name: optimizer.state_dict() for name, optimizer in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of :meth:`state_dict`."""
        for name, optimizer in self.parts.items():
            optimizer.load_state_dict(state_dict[name])
        self.param_groups = [group for part in self.parts.values() for group in part.param_groups]


@builds(JointSettings)
def joint(model: nn.Module, settings: JointSettings) -> Joint:
    """An optimizer for each of the parts that a model declares."""
    parts = model.parts() if isinstance(model, Model) else {}
    if set(parts) != {"wide", "deep"}:
        raise UserError(
            "optimizer=joint takes a model of a wide and a deep part (wide_deep, lr_dnn, fm_dnn); "
            "for this one use optimizer=adam"
        )
    return Joint({name: build(part, getattr(settings, name)) for name, part in parts.items()})
