"""Several optimizers stepped as one."""

from typing import Any, Union

import torch

Optimizer = Union[torch.optim.Optimizer, "Joint"]


class Joint:
    """An optimizer for each part of a model, on the gradients of one loss."""

    def __init__(self, parts: dict[str, Optimizer]) -> None:
        self.parts = parts

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parts."""
        for optimizer in self.parts.values():
            optimizer.zero_grad(set_to_none)

    def step(self) -> None:
        """Update every part."""
        for optimizer in self.parts.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The states by part."""
        return {name: optimizer.state_dict() for name, optimizer in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state_dict`."""
        for name, optimizer in self.parts.items():
            optimizer.load_state_dict(state[name])
