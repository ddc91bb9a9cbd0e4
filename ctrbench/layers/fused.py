"""Models that are sums over table rows: their logits and gradients by compiled loops.

Logistic regression, FM and FFM need no tensor of all embeddings of a batch. A training step on a
CPU evaluates them in one pass over the rows, and differentiates them in another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ctrbench.compiled import Array, run_threads, split_evenly
from ctrbench.layers import kernels
from ctrbench.layers.lookup import RowReader, sparse


class RowSum(NamedTuple):
    """The two passes of a model.

    Attributes:
        forward: (rows_UD, index_BS, x_BS, logit_B) writes the logits and returns what the backward
            pass needs besides.
        backward: (grad_B, rows_UD, index_BS, x_BS, saved, sum_UD, groups) adds the gradients of the
            rows.
    """

    forward: Callable[[Array, Array, Array, Array], Any]
    backward: Callable[[Array, Array, Array, Array, Any, Array, tuple[int, ...]], None]


def row_sum(
    model: RowSum,
    weight_VD: Tensor,
    row_BS: Tensor,
    x_BS: Tensor,
    reader: RowReader,
    groups: tuple[int, ...],
) -> Tensor:
    """Return the logits B of a model.

    Args:
        x_BS: the values; empty (0 rows) where all are 1.
        groups: see :func:`ctrbench.layers.lookup.lookup`.
    """
    logit_B: Tensor = _RowSum.apply(  # type: ignore[no-untyped-call]
        weight_VD, model, row_BS, x_BS, reader, groups
    )
    return logit_B


class _RowSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight_VD: Tensor,
        model: RowSum,
        row_BS: Tensor,
        x_BS: Tensor,
        reader: RowReader,
        groups: tuple[int, ...],
    ) -> Tensor:
        rows_U, index_BS = reader.find(row_BS)
        arrays = reader.read(rows_U).numpy(), index_BS.numpy(), x_BS.numpy()
        logit_B = weight_VD.new_empty(len(row_BS))
        saved = model.forward(*arrays, logit_B.numpy())
        ctx.model, ctx.shape, ctx.groups = model, weight_VD.shape, groups
        ctx.rows_U, ctx.arrays = rows_U, (*arrays, saved)
        return logit_B

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None, None, None]:
        sum_UD = np.zeros_like(ctx.arrays[0])
        ctx.model.backward(grads[0].contiguous().numpy(), *ctx.arrays, sum_UD, ctx.groups)
        gradient = sparse(ctx.rows_U, torch.from_numpy(sum_UD), ctx.shape)
        return gradient, None, None, None, None, None


def _linear_backward(
    grad_B: Array,
    rows_UD: Array,
    index_BS: Array,
    x_BS: Array,
    saved: None,
    sum_UD: Array,
    groups: tuple[int, ...],
) -> None:
    kernels.linear_backward(grad_B, index_BS, x_BS, sum_UD)


def _fm_forward(rows_UD: Array, index_BS: Array, x_BS: Array, logit_B: Array) -> Array:
    sum_BK = np.empty((len(index_BS), rows_UD.shape[1] - 1), rows_UD.dtype)
    parts = split_evenly(len(index_BS))
    run_threads(kernels.fm_forward, parts, rows_UD, index_BS, x_BS, logit_B, sum_BK)
    return sum_BK


def _fm_backward(
    grad_B: Array,
    rows_UD: Array,
    index_BS: Array,
    x_BS: Array,
    sum_BK: Array,
    sum_UD: Array,
    groups: tuple[int, ...],
) -> None:
    shares = kernels.share_slots(groups, torch.get_num_threads())
    run_threads(kernels.fm_backward, shares, grad_B, rows_UD, index_BS, x_BS, sum_BK, sum_UD)


def _ffm_forward(rows_UD: Array, index_BS: Array, x_BS: Array, logit_B: Array) -> None:
    parts = split_evenly(len(index_BS), least=64)
    run_threads(kernels.ffm_forward, parts, rows_UD, index_BS, x_BS, logit_B)


def _ffm_backward(
    grad_B: Array,
    rows_UD: Array,
    index_BS: Array,
    x_BS: Array,
    saved: None,
    sum_UD: Array,
    groups: tuple[int, ...],
) -> None:
    parts = split_evenly((rows_UD.shape[1] - 1) // index_BS.shape[1], least=1)
    run_threads(kernels.ffm_backward, parts, grad_B, rows_UD, index_BS, x_BS, sum_UD)


LINEAR_SUM = RowSum(kernels.linear_forward, _linear_backward)
FM_SUM = RowSum(_fm_forward, _fm_backward)
FFM_SUM = RowSum(_ffm_forward, _ffm_backward)
