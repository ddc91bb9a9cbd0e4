"""Models that are sums over table rows: their logits and gradients by compiled loops.

Logistic regression, FM and FFM need no tensor of all embeddings of a batch. A training step on a
CPU evaluates them in one pass over the rows, and differentiates them in another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ctrbench.compiled import Array
from ctrbench.layers import kernels
from ctrbench.layers.lookup import RowReader, sparse


class RowSum(NamedTuple):
    """The two passes of a model.

    Attributes:
        forward: (rows_UD, index_BS, x_BS, logit_B) writes the logits and returns what the backward
            pass needs besides, or None.
        backward: (grad_B, rows_UD, index_BS, x_BS, saved, sum_UD) adds the gradients of the rows.
    """

    forward: Callable[[Array, Array, Array, Array], Any]
    backward: Callable[[Array, Array, Array, Array, Any, Array], None]


LINEAR_SUM = RowSum(kernels.linear_forward, kernels.linear_backward)
FM_SUM = RowSum(kernels.fm_forward, kernels.fm_backward)
FFM_SUM = RowSum(kernels.ffm_forward, kernels.ffm_backward)


def row_sum(
    model: RowSum, weight_VD: Tensor, row_BS: Tensor, x_BS: Tensor, reader: RowReader
) -> Tensor:
    """Return the logits B of a model.

    Args:
        x_BS: the values; empty (0 rows) where all are 1.
    """
    logit_B: Tensor = _RowSum.apply(  # type: ignore[no-untyped-call]
        weight_VD, model, row_BS, x_BS, reader
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
    ) -> Tensor:
        rows_U, index_BS = reader.find(row_BS)
        arrays = reader.read(rows_U).numpy(), index_BS.numpy(), x_BS.numpy()
        logit_B = weight_VD.new_empty(len(row_BS))
        saved = model.forward(*arrays, logit_B.numpy())
        ctx.model, ctx.shape = model, weight_VD.shape
        ctx.rows_U, ctx.arrays = rows_U, (*arrays, saved)
        return logit_B

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None, None, None]:
        sum_UD = np.zeros_like(ctx.arrays[0])
        ctx.model.backward(grads[0].contiguous().numpy(), *ctx.arrays, sum_UD)
        gradient = sparse(ctx.rows_U, torch.from_numpy(sum_UD), ctx.shape)
        return gradient, None, None, None, None
