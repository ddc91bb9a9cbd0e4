"""Clipping by the norm of all gradients."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from ctrbench.optim.base import Optimizer
from ctrbench.optim.touched import touched


@torch.no_grad()
def clip_norm(optimizer: torch.optim.Optimizer, most: float) -> None:
    """Scale all gradients by ``most`` over their norm where it is more (Pascanu et al. 2013).

    The norm is that of all dense gradients as one vector, of both parts of a joint optimizer. L2 is
    in them, as where it is a term of the loss: all rows of a table then have a gradient. FTRL's L1
    and L2 are in no gradient and stay as they are. Nothing waits for the device.
    """
    if isinstance(optimizer, Optimizer):
        optimizer.add_l2()
    values = list(_values(optimizer))
    factor = (most / (get_total_norm(values) + 1e-6)).clamp(max=1.0)
    for grad in values:
        grad.mul_(factor)


def _values(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """The gradients; of touched rows alone their numbers, the others being zero."""
    for group in optimizer.param_groups:
        for w in group["params"]:
            if w.grad is not None:
                yield touched(w)[1] if w.grad.is_sparse else w.grad
