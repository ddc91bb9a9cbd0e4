"""Gradient clipping by the global norm."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from ctrbench.optim.base import Optimizer
from ctrbench.optim.sparse_rows import sparse_gradient


@torch.no_grad()
def clip_norm(optimizer: torch.optim.Optimizer, max_norm: float) -> None:
    """Scale all gradients so that their global norm is at most ``max_norm`` (Pascanu et al. 2013).

    The norm is that of all gradients as one vector, of both parts of a joint optimizer. It includes
    the L2 terms, as if they were part of the loss; FTRL's L1 and L2 are in no gradient. Nothing
    waits for the device.
    """
    if isinstance(optimizer, Optimizer):
        optimizer.add_l2()
    gradients = list(_gradients(optimizer))
    factor = (max_norm / (get_total_norm(gradients) + 1e-6)).clamp(max=1.0)
    for grad in gradients:
        grad.mul_(factor)


def _gradients(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Yield the gradients; of a sparse one the values of its rows, since all others are zero."""
    for group in optimizer.param_groups:
        for w in group["params"]:
            if w.grad is not None:
                yield sparse_gradient(w)[1] if w.grad.is_sparse else w.grad
