"""Rows of a table, gathered so that their gradient holds no other row."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Read = Callable[[Tensor], Tensor]  # rows U, each once and ascending -> their weights UD


class Places(NamedTuple):
    """Which of U different rows each of the N places of a batch reads.

    Attributes:
        rows_U: the rows, ascending.
        place_N: the places in the order of their rows.
        number_N: for each of ``place_N`` the number of its row in ``rows_U``.
        start_U: where the places of each row start in ``place_N``.
    """

    rows_U: Tensor
    place_N: Tensor
    number_N: Tensor
    start_U: Tensor

    @classmethod
    def of(cls, row_BS: Tensor) -> "Places":
        """By a sort. U depends on the data: on a GPU this would wait for it."""
        row_N, place_N = row_BS.flatten().sort(stable=True)
        rows_U, number_N, places_U = torch.unique_consecutive(
            row_N, return_inverse=True, return_counts=True
        )
        return cls(rows_U.long(), place_N, number_N, places_U.cumsum(0) - places_U)

    def numbers(self) -> Tensor:
        """For each place, in the batch's order, the number of its row: N."""
        return torch.empty_like(self.number_N).index_copy_(0, self.place_N, self.number_N)

    def sums(self, grad_ND: Tensor) -> Tensor:
        """The sum over the places of each row, in the batch's order: UD."""
        if grad_ND.shape[1] == 1:
            grad_N = grad_ND.flatten().index_select(0, self.place_N)
            sum_U = grad_N.new_zeros(len(self.rows_U)).scatter_add_(0, self.number_N, grad_N)
            return sum_U[:, None]
        # The sum of a bag of places: this gathers and adds them in one pass.
        return torch.embedding_bag(grad_ND, self.place_N, self.start_U, mode=0)[0]


def lookup(weight_VD: Tensor, row_BS: Tensor, read: Read | None, widths: list[int]) -> list[Tensor]:
    """Rows of a table, cut into pieces of so many columns: BSW each.

    The table's gradient is a sparse tensor of the rows that are read, each once. Torch's own dense
    gradient takes many times as long, and its own sparse one repeats a row for every place that
    reads it.

    Args:
        read: gives rows, each once, in place of the table.
    """
    return list(_Lookup.apply(weight_VD, row_BS, read, widths))  # type: ignore[no-untyped-call]


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight_VD: Tensor, row_BS: Tensor, read: Read | None, widths: list[int]
    ) -> tuple[Tensor, ...]:
        ctx.places, ctx.row_BS, ctx.shape = None, row_BS, weight_VD.shape
        if read is None and widths == [1]:  # nothing is won by reading a number once
            return (F.embedding(row_BS, weight_VD),)
        ctx.places = places = Places.of(row_BS)
        rows_UD = weight_VD.index_select(0, places.rows_U) if read is None else read(places.rows_U)
        number_BS = places.numbers().view(row_BS.shape)
        pieces = torch.split(rows_UD, widths, dim=1)
        return tuple(F.embedding(number_BS, piece.contiguous()) for piece in pieces)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        places = ctx.places or Places.of(ctx.row_BS)
        sums = [places.sums(grad.flatten(0, 1)) for grad in grads]
        grad_UD = sums[0] if len(sums) == 1 else torch.cat(sums, dim=1)
        grad_VD = torch.sparse_coo_tensor(
            places.rows_U[None], grad_UD, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return grad_VD, None, None, None
