"""How much memory the widest activation of a model takes for every row."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _Sizes(TorchFunctionMode):
    """Notes the bytes of the largest tensor that each function of torch gives."""

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
def widest_row(model: nn.Module, ids_BS: Tensor, values_BX: Tensor) -> int:
    """Bytes by which the widest tensor of a forward pass grows with each row.

    It is what a function gives more for three rows than for two: what it makes of weights alone
    does not grow. The first pass brings up to date what an optimizer left for later.

    Args:
        model: in evaluation mode.
        ids_BS, values_BX: any rows, of which only the layout counts.
    """
    sizes: list[list[int]] = []
    for rows in (2, 2, 3):
        with _Sizes() as noted:
            model(*(column.new_zeros(rows, column.shape[1]) for column in (ids_BS, values_BX)))
        sizes.append(noted.bytes)
    _, of_two, of_three = sizes
    return max(1, *(more - less for less, more in zip(of_two, of_three, strict=False)))
