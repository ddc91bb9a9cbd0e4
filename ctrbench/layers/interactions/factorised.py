"""Interactions between the embeddings of fields, each to one number a row."""

from typing import Any

import torch
from torch import Tensor

from ctrbench.layers.precision import dots


def factorisation_machine(v_BFK: Tensor) -> Tensor:
    """Return sum_{i<j} <v_i, v_j> x_i x_j of x_i v_i, in time linear in F (Rendle 2010, lemma 3.1).

    Shapes: BFK -> B.
    """
    pairs_B: Tensor = _FactorisationMachine.apply(v_BFK)  # type: ignore[no-untyped-call]
    return pairs_B


class _FactorisationMachine(torch.autograd.Function):
    """Its derivative by v_i is the sum of the others; autograd's own way there takes twice as
    long."""

    @staticmethod
    def forward(ctx: Any, v_BFK: Tensor) -> Tensor:
        sum_BK, v_BD = v_BFK.sum(dim=1), v_BFK.flatten(start_dim=1)
        ctx.save_for_backward(v_BFK, sum_BK)
        return (dots(sum_BK, sum_BK) - dots(v_BD, v_BD)) / 2

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        v_BFK, sum_BK = ctx.saved_tensors
        others_BFK: Tensor = sum_BK[:, None] - v_BFK
        return others_BFK.mul_(grads[0][:, None, None])


def field_aware(v_BFKF: Tensor) -> Tensor:
    """Return sum_{i<j} <v_{i, field j}, v_{j, field i}> x_i x_j (Juan et al. 2016, eq. 4).

    ``v_BFKF[:, i, :, j]`` is x_i v_{i, field j}.

    Shapes: BFKF -> B.
    """
    pairs_B: Tensor = _FieldAware.apply(v_BFKF)  # type: ignore[no-untyped-call]
    return pairs_B


class _FieldAware(torch.autograd.Function):
    """Half the sum over i != j; its derivative by v_{i, field j} is v_{j, field i}, 0 at i = j.

    The transpose is made once, in the forward pass, and alone is kept.
    """

    @staticmethod
    def forward(ctx: Any, v_BFKF: Tensor) -> Tensor:
        partner_BFKF = v_BFKF.transpose(1, 3).contiguous()
        ctx.save_for_backward(partner_BFKF)
        all_B = dots(v_BFKF.flatten(1), partner_BFKF.flatten(1))
        same_B = v_BFKF.diagonal(dim1=1, dim2=3).square().sum(dim=(1, 2))
        return (all_B - same_B) / 2

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (partner_BFKF,) = ctx.saved_tensors
        grad_BFKF: Tensor = partner_BFKF * grads[0][:, None, None, None]
        grad_BFKF.diagonal(dim1=1, dim2=3).zero_()
        return grad_BFKF


def bi_interaction(v_BFK: Tensor) -> Tensor:
    """Return sum_{i<j} x_i v_i * x_j v_j, elementwise (He & Chua 2017).

    Shapes: BFK -> BK.
    """
    return (v_BFK.sum(dim=1).square() - v_BFK.square().sum(dim=1)) / 2


def anova_kernel(v_BFK: Tensor, degree: int) -> Tensor:
    """Return sum over i_1 < ... < i_degree of <v_{i_1}, ..., v_{i_degree}> (Blondel et al. 2016).

    By Newton's identities, a * A^a = sum_{t=1}^a (-1)^{t+1} A^{a-t} D^t with D^t = sum_i v_i^t, in
    time linear in F.

    Shapes: BFK -> B.
    """
    powers, powers_BFK = list[Tensor](), torch.ones_like(v_BFK)
    for _ in range(degree):
        powers_BFK = powers_BFK * v_BFK
        powers.append(powers_BFK.sum(dim=1))
    kernels = [torch.ones_like(powers[0])]
    for a in range(1, degree + 1):
        signed = [(-1) ** t * kernels[a - 1 - t] * powers[t] for t in range(a)]
        kernels.append(torch.stack(signed).sum(dim=0) / a)
    return kernels[degree].sum(dim=1)


def pair_positions(fields: int) -> Tensor:
    """Return i * F + j for all i < j, in lexical order."""
    i, j = torch.triu_indices(fields, fields, offset=1)
    positions_P: Tensor = i * fields + j
    return positions_P


def inner_products(v_BFK: Tensor, pairs_P: Tensor) -> Tensor:
    """Return <v_i, v_j> for the pairs of fields at :func:`pair_positions`.

    Shapes: BFK, P -> BP.
    """
    return (v_BFK @ v_BFK.transpose(1, 2)).flatten(start_dim=1).index_select(1, pairs_P)


def pair_products(left_BFK: Tensor, right_BFK: Tensor) -> Tensor:
    """Return left_i * right_j for the P = F (F - 1) / 2 pairs i < j, elementwise, in lexical order.

    To cut the fields into pieces takes half as long as to gather both sides by their indices.

    Shapes: BFK (the last field of the left is not read), BFK -> BPK.
    """
    last = right_BFK.shape[1] - 1
    products = [left_BFK[:, i : i + 1] * right_BFK[:, i + 1 :] for i in range(last)]
    return torch.cat(products, dim=1)
