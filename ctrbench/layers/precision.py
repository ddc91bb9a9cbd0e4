"""Sums of products in float32 where autocast would take bfloat16."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Within, products of float32 are float32: autocast rounds their sums to 8 bits."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def dots(left: Tensor, right: Tensor) -> Tensor:
    """Inner products over the last dimension, of bfloat16 in float32.

    Shapes: ...D, ...D -> ....
    """
    with without_autocast(left.device):
        dots: Tensor = torch.linalg.vecdot(_widened(left), _widened(right))
    return dots


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor
