"""Several optimizers stepped as one (Wide & Deep, section 3.3)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ctrbench.errors import UserError
from ctrbench.models.base import Model
from ctrbench.optim.base import Optimizer
from ctrbench.optim.registry import build, builds
from ctrbench.optim.settings import JointSettings


class Joint(Optimizer):
    """One optimizer for each part of a model, stepped on the gradients of one loss.

    Its parameter groups are those of its parts, so a schedule sets the rates of all parts.
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

    def disable_lazy_updates(self) -> None:
        for optimizer in self.parts.values():
            optimizer.disable_lazy_updates()

    def state_dict(self) -> dict[str, Any]:
        """Return the states by part."""
        return {name: optimizer.state_dict() for name, optimizer in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what :meth:`state_dict` returned."""
        for name, optimizer in self.parts.items():
            optimizer.load_state_dict(state_dict[name])
        self.param_groups = [group for part in self.parts.values() for group in part.param_groups]


@builds(JointSettings)
def joint(model: nn.Module, settings: JointSettings) -> Joint:
    """Build one optimizer for each part that a model declares."""
    parts = model.parts() if isinstance(model, Model) else {}
    if set(parts) != {"wide", "deep"}:
        raise UserError(
            "optimizer=joint takes a model of a wide and a deep part (wide_deep, lr_dnn, fm_dnn); "
            "for this one use optimizer=adam"
        )
    return Joint({name: build(part, getattr(settings, name)) for name, part in parts.items()})
