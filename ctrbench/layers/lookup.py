"""Lookup of rows of a table, with a sparse gradient that holds each row once."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ctrbench.layers import kernels


class UniqueRows(NamedTuple):
    """The U different rows at the positions of a batch.

    Attributes:
        rows_U: the rows, ascending.
        index_BS: for each position the index of its row in ``rows_U``.
    """

    rows_U: Tensor
    index_BS: Tensor


class RowReader:
    """Reader of table rows for a training step whose gradient is sparse.

    An optimizer gives one to an :class:`ctrbench.layers.embedding.Embedding`; one that updates rows
    lazily extends it.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        words = -(-len(weight) // kernels.WORD)
        self._bits_W, self._before_W = np.zeros(words, np.uint64), np.empty(words, np.int32)

    def find(self, row_BS: Tensor) -> UniqueRows:
        """Find the different rows of a batch. Their number depends on the data, so on a GPU this
        would wait for the device."""
        row_N = row_BS.int().numpy().reshape(-1)
        index_N = np.empty_like(row_N)
        rows_U = kernels.find_rows(row_N, self._bits_W, self._before_W, index_N)
        index_BS = torch.from_numpy(index_N).view(row_BS.shape)
        return UniqueRows(torch.from_numpy(rows_U), index_BS)

    def read(self, rows_U: Tensor) -> Tensor:
        """Return the current weights UD of rows U, each given once and in ascending order."""
        return self.weight.index_select(0, rows_U)

    def before_full_read(self) -> None:
        """Bring all rows up to date, before an evaluation reads any of them."""


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
        ctx.unique, ctx.shape = reader.find(row_BS), weight_VD.shape
        blocks = torch.split(reader.read(ctx.unique.rows_U), widths, dim=1)
        return tuple(F.embedding(ctx.unique.index_BS, block.contiguous()) for block in blocks)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None]:
        rows_U, index_BS = ctx.unique
        sum_UD = np.zeros((len(rows_U), ctx.shape[1]), grads[0].numpy().dtype)
        column = 0
        for grad in grads:
            kernels.sum_rows(grad.contiguous().numpy(), index_BS.numpy(), column, sum_UD)
            column += grad.shape[2]
        return sparse(rows_U, torch.from_numpy(sum_UD), ctx.shape), None, None, None


def sparse(rows_U: Tensor, values_UD: Tensor, shape: torch.Size) -> Tensor:
    """Return a sparse gradient of different rows, ascending."""
    return torch.sparse_coo_tensor(
        rows_U[None], values_UD, shape, is_coalesced=True, check_invariants=False
    )
