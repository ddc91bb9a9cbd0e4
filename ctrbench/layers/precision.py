"""Sums of products in float32 where autocast would take bfloat16."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Disable autocast within the block, since it rounds sums of products to 8 bits."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def dots(left: Tensor, right: Tensor) -> Tensor:
    """Return inner products over the last dimension, in float32 for bfloat16.

    Shapes: ...D, ...D -> ....
    """
    with without_autocast(left.device):
        dots: Tensor = torch.linalg.vecdot(_widened(left), _widened(right))
    return dots


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor
