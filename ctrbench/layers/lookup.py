"""Rows of a table, gathered so that their gradient holds no other row."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Reads(NamedTuple):
    """The U different rows that the N places of a batch read.

    Attributes:
        rows_U: ascending.
        place_N: the places in the order of their rows.
        start_U: where the places of each row start in ``place_N``.
    """

    rows_U: Tensor
    place_N: Tensor
    start_U: Tensor

    @classmethod
    def of(cls, row_BS: Tensor) -> "Reads":
        """By a sort. U depends on the data: on a GPU this would wait for it."""
        row_N, place_N = row_BS.flatten().sort(stable=True)
        rows_U, places_U = torch.unique_consecutive(row_N, return_counts=True)
        return cls(rows_U.long(), place_N, places_U.cumsum(0) - places_U)


def lookup(weight_VD: Tensor, row_BS: Tensor, reads: Reads) -> Tensor:
    """The rows BSD of a table, whose gradient is a sparse tensor of the rows that are read.

    Torch's own dense gradient takes five times as long, and its own sparse one repeats a row for
    every place that reads it.
    """
    rows_BSD: Tensor = _Lookup.apply(weight_VD, row_BS, reads)  # type: ignore[no-untyped-call]
    return rows_BSD


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight_VD: Tensor, row_BS: Tensor, reads: Reads) -> Tensor:
        ctx.reads, ctx.shape = reads, weight_VD.shape
        return F.embedding(row_BS, weight_VD)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        rows_U, place_N, start_U = ctx.reads
        grad_ND = grads[0].reshape(-1, ctx.shape[1])
        # A row's gradient is the sum of a bag of places; this gathers and adds them in one pass.
        grad_UD = torch.embedding_bag(grad_ND, place_N, start_U, mode=0)[0]
        grad_VD = torch.sparse_coo_tensor(
            rows_U[None], grad_UD, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return grad_VD, None, None
