"""Memory of the largest activation of a model."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _TensorSizes(TorchFunctionMode):
    """Record the bytes of the largest tensor that each torch function returns."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [each for each in (out, *_items(out)) if isinstance(each, Tensor)]
        self.bytes.append(max((t.untyped_storage().nbytes() for t in tensors), default=0))
        return out


def _items(out: Any) -> tuple[Any, ...]:
    return tuple(out) if isinstance(out, tuple | list) else ()


@torch.no_grad()
def activation_bytes_per_row(model: nn.Module, ids_BS: Tensor, values_BX: Tensor) -> int:
    """Return by how many bytes the largest activation of a forward pass grows with each row.

    Three rows are compared with two, since tensors computed from weights alone do not grow. The
    first pass only brings lazily updated weights up to date.

    Args:
        model: a model in evaluation mode.
        ids_BS, values_BX: any rows; only their layout matters.
    """
    sizes: list[list[int]] = []
    for rows in (2, 2, 3):
        with _TensorSizes() as recorded:
            model(*(column.new_zeros(rows, column.shape[1]) for column in (ids_BS, values_BX)))
        sizes.append(recorded.bytes)
    _, two, three = sizes
    return max(1, *(more - less for less, more in zip(two, three, strict=False)))
