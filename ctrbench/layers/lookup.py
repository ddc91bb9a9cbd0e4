"""Lookup of rows of a table, with a sparse gradient that holds each row once."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class RowReader:
    """Reader of table rows for a training step whose gradient is sparse.

    An optimizer gives one to an :class:`ctrbench.layers.embedding.Embedding`; one that updates rows
    lazily extends it.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def read(self, rows_U: Tensor) -> Tensor:
        """Return the current weights UD of rows U, each given once and in ascending order."""
        return self.weight.index_select(0, rows_U)

    def before_full_read(self) -> None:
        """Bring all rows up to date, before an evaluation reads any of them."""


class UniqueRows(NamedTuple):
    """The U different rows among the N = B S positions of a batch.

    Attributes:
        rows_U: the rows, ascending.
        inverse_BS: for each position the index of its row in ``rows_U``.
        sorted_N: the positions in the order of their rows.
        start_U: where the positions of each row start in ``sorted_N``.
    """

    rows_U: Tensor
    inverse_BS: Tensor
    sorted_N: Tensor
    start_U: Tensor

    @classmethod
    def find(cls, row_BS: Tensor) -> "UniqueRows":
        """Find the unique rows by a sort of integers that hold a row and, in their last bits, its
        position.

        numpy's sort takes half the time of torch's. U depends on the data, so on a GPU this would
        wait for the device.
        """
        count = row_BS.numel()
        bits = (count - 1).bit_length()
        keys_N = (row_BS.flatten().long() << bits) | torch.arange(count)
        keys_N.numpy().sort()  # in place
        sorted_N = keys_N & (2**bits - 1)
        rows_U, index_N, count_U = torch.unique_consecutive(
            keys_N >> bits, return_inverse=True, return_counts=True
        )
        inverse_N = torch.empty_like(index_N).index_copy_(0, sorted_N, index_N)
        start_U = count_U.cumsum(0) - count_U
        return cls(rows_U, inverse_N.view(row_BS.shape), sorted_N, start_U)


def lookup(weight_VD: Tensor, row_BS: Tensor, reader: RowReader, widths: list[int]) -> list[Tensor]:
    """Return rows of a table, split into column blocks of the given widths: BSW each.

    The table's gradient is a sparse tensor that holds each row once, and each row is read once.
    torch's dense gradient takes many times as long, and its sparse one repeats a row for every
    position that reads it.
    """
    return list(_Lookup.apply(weight_VD, row_BS, reader, widths))  # type: ignore[no-untyped-call]


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight_VD: Tensor, row_BS: Tensor, reader: RowReader, widths: list[int]
    ) -> tuple[Tensor, ...]:
        ctx.unique, ctx.shape = UniqueRows.find(row_BS), weight_VD.shape
        blocks = torch.split(reader.read(ctx.unique.rows_U), widths, dim=1)
        return tuple(F.embedding(ctx.unique.inverse_BS, block.contiguous()) for block in blocks)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        rows_U, _, sorted_N, start_U = ctx.unique
        # A row's gradient is the sum over its positions: this gathers and adds them in one pass.
        sums = [
            torch.embedding_bag(grad.flatten(0, 1), sorted_N, start_U, mode=0)[0] for grad in grads
        ]
        grad_UD = sums[0] if len(sums) == 1 else torch.cat(sums, dim=1)
        grad_VD = torch.sparse_coo_tensor(
            rows_U[None], grad_UD, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return grad_VD, None, None, None
