"""Interactions between the embeddings of fields."""

from torch import Tensor


def factorisation_machine(v_BFK: Tensor) -> Tensor:
    """sum_{i<j} <v_i, v_j> x_i x_j of x_i v_i, in time linear in F (Rendle 2010, lemma 3.1).

    Shapes: BFK -> B.
    """
    square_of_sum_BK = v_BFK.sum(dim=1).square()
    sum_of_squares_BK = v_BFK.square().sum(dim=1)
    return (square_of_sum_BK - sum_of_squares_BK).sum(dim=1) / 2
