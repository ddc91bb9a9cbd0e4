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
        of_place_BS: for each place the number of its row in ``rows_U``.
        place_N: the places in the order of their rows.
        start_U: where the places of each row start in ``place_N``.
    """

    rows_U: Tensor
    of_place_BS: Tensor
    place_N: Tensor
    start_U: Tensor

    @classmethod
    def of(cls, row_BS: Tensor) -> "Places":
        """By a sort of integers that hold a row and, in their last bits, its place: numpy's takes
        half the time of torch's. U depends on the data: on a GPU this would wait for it."""
        count = row_BS.numel()
        bits = (count - 1).bit_length()
        keys_N = (row_BS.flatten().long() << bits) | torch.arange(count)
        keys_N.numpy().sort()  # in place
        place_N = keys_N & (2**bits - 1)
        rows_U, number_N, places_U = torch.unique_consecutive(
            keys_N >> bits, return_inverse=True, return_counts=True
        )
        of_place_N = torch.empty_like(number_N).index_copy_(0, place_N, number_N)
        start_U = places_U.cumsum(0) - places_U
        return cls(rows_U, of_place_N.view(row_BS.shape), place_N, start_U)


def lookup(weight_VD: Tensor, row_BS: Tensor, read: Read, widths: list[int]) -> list[Tensor]:
    """Rows of a table, cut into pieces of so many columns: BSW each.

    The table's gradient is a sparse tensor of the rows that are read, each once. Each row is read
    once too. Torch's own dense gradient takes many times as long, and its own sparse one repeats a
    row for every place that reads it.
    """
    return list(_Lookup.apply(weight_VD, row_BS, read, widths))  # type: ignore[no-untyped-call]


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight_VD: Tensor, row_BS: Tensor, read: Read, widths: list[int]
    ) -> tuple[Tensor, ...]:
        ctx.places, ctx.shape = Places.of(row_BS), weight_VD.shape
        pieces = torch.split(read(ctx.places.rows_U), widths, dim=1)
        return tuple(F.embedding(ctx.places.of_place_BS, p.contiguous()) for p in pieces)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        rows_U, _, place_N, start_U = ctx.places
        # A row's gradient is the sum of a bag of places: this gathers and adds them in one pass.
        sums = [
            torch.embedding_bag(grad.flatten(0, 1), place_N, start_U, mode=0)[0] for grad in grads
        ]
        grad_UD = sums[0] if len(sums) == 1 else torch.cat(sums, dim=1)
        grad_VD = torch.sparse_coo_tensor(
            rows_U[None], grad_UD, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return grad_VD, None, None, None
