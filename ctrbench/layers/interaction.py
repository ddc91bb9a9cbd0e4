"""Interactions between the embeddings of fields, each to one number a row."""

from typing import Any

import torch
from torch import Tensor


def factorisation_machine(v_BFK: Tensor) -> Tensor:
    """sum_{i<j} <v_i, v_j> x_i x_j of x_i v_i, in time linear in F (Rendle 2010, lemma 3.1).

    Shapes: BFK -> B.
    """
    square_of_sum_BK = v_BFK.sum(dim=1).square()
    sum_of_squares_BK = v_BFK.square().sum(dim=1)
    return (square_of_sum_BK - sum_of_squares_BK).sum(dim=1) / 2


def field_aware(v_BFKF: Tensor) -> Tensor:
    """sum_{i<j} <v_{i, field j}, v_{j, field i}> x_i x_j (Juan et al. 2016, eq. 4).

    ``v_BFKF[:, i, :, j]`` is x_i v_{i, field j}. Only this tensor is kept for the gradient.

    Shapes: BFKF -> B.
    """
    pairs_B: Tensor = _FieldAware.apply(v_BFKF)  # type: ignore[no-untyped-call]
    return pairs_B


class _FieldAware(torch.autograd.Function):
    """Half the sum over i != j; its derivative by v_{i, field j} is v_{j, field i}, 0 at i = j.

    Autograd alone would make three tensors of this size here in the backward pass, this makes one.
    """

    @staticmethod
    def forward(ctx: Any, v_BFKF: Tensor) -> Tensor:
        ctx.save_for_backward(v_BFKF)
        all_B = (v_BFKF * v_BFKF.transpose(1, 3)).sum(dim=(1, 2, 3))
        same_B = v_BFKF.diagonal(dim1=1, dim2=3).square().sum(dim=(1, 2))
        return (all_B - same_B) / 2

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (v_BFKF,) = ctx.saved_tensors
        grad_BFKF: Tensor = grads[0][:, None, None, None] * v_BFKF.transpose(1, 3)
        grad_BFKF.diagonal(dim1=1, dim2=3).zero_()
        return grad_BFKF
