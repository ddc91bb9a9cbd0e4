"""The least time that a machine needs for a training step: for its products and its memory
traffic."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ctrbench.layers.embedding import Embedding
from ctrbench.optim.registry import split_parameters
from ctrbench.timing import Work

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward")
READING = ("embedding", "index_select")  # some rows of a table
ADDING = ("embedding_dense_backward",)  # to some rows of a table
MAKING = (
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
    *("zeros", "zeros_like", "new_zeros", "ones_like", "zero_", "fill_", "random_", "arange"),
)


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the matrix products and convolutions that run under it, to run them again by
    themselves on tensors of the same shapes, strides and types."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Work] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func.overloadpacket.__name__ in PRODUCTS:
            inputs = [_like(arg) if isinstance(arg, Tensor) else arg for arg in args]
            self.calls.append(lambda: func(*inputs, **(kwargs or {})))
        return func(*args, **(kwargs or {}))

    def __call__(self) -> None:
        """Run all of them, one after the other."""
        for call in self.calls:
            call()


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that run under it.

    Of a matrix product two for each multiply-add, by torch's own formulas. Of all else one for each
    number that it reads or writes, whichever are more; of a table those of the rows that are read
    or added to. A view, fresh memory and random numbers cost nothing.

    Attributes:
        count: of all so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in flop_registry:
            self.count += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        elif not func.is_view and packet.__name__ not in MAKING:
            self.count += _numbers(packet.__name__, args, out)
        return out


def _numbers(name: str, args: tuple[Any, ...], out: Any) -> int:
    """Read or written, whichever are more."""
    counted = {**dict.fromkeys(READING, out), **dict.fromkeys(ADDING, args[:1])}
    leaves = tree_leaves(counted.get(name, (args, out)))
    return max((leaf.numel() for leaf in leaves if isinstance(leaf, Tensor)), default=0)


def _like(tensor: Tensor) -> Tensor:
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    extent = 1 + sum((size - 1) * stride for size, stride in steps)
    base = torch.randn(extent, dtype=tensor.dtype, device=tensor.device)
    return base.as_strided(tensor.shape, tensor.stride())


def least_bytes(
    model: nn.Module, rows: int, slots: int, states: int, touched: float | None = None
) -> float:
    """Return the least bytes that a step moves: each weight that changes, its gradient and the
    optimizer's numbers are written and read; so are the row, its gradient and the id of every slot
    of the batch.

    Args:
        rows: of the batch.
        slots: ids of a row, of which a table without crosses is not read by theirs.
        states: numbers that the optimizer keeps of a weight.
        touched: rows of the tables that move; None: all of them, as under a dense gradient.
    """
    tables, network = split_parameters(model)
    columns = sum(table.shape[1] for table in tables)
    moving = sum(p.numel() for p in tables)
    if touched is not None:
        moving = round(touched * columns / len(tables))
    weights = sum(p.numel() for p in network) + moving
    read = [module for module in model.modules() if isinstance(module, Embedding)]
    own = max(len(table.offsets_S) for table in read)
    cells = sum((slots - own + len(t.offsets_S)) * t.weight.shape[1] for t in read)
    return 4.0 * ((4 + 2 * states) * weights + 4 * rows * cells + 2 * rows * slots)


def square_product(device: torch.device, precision: str) -> tuple[Work, float]:
    """Return a large product in the precision, and its number of operations."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(4096, 1024, device=device).to(dtype)
    b = torch.randn(1024, 1024, device=device).to(dtype)
    return lambda: a @ b, 2.0 * 4096 * 1024 * 1024


def large_copy(device: torch.device) -> tuple[Work, float]:
    """Return a copy that fits no cache, and the bytes that it reads and writes."""
    source = torch.randn(32 << 20, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2.0 * 4 * source.numel()
