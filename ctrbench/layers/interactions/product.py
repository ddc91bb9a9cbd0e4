"""Product layers: what they add to the units of a first hidden layer (Qu et al. 2016, section 3).

Unit n gets l_p^n = W_p^n . p, where p_ij is a product of the embeddings f_i and f_j.
"""

from torch import Tensor, nn

from ctrbench.layers.interactions.factorised import inner_products, pair_positions
from ctrbench.layers.mlp import glorot
from ctrbench.layers.settings import INNER_PRODUCTS


class InnerProduct(nn.Module):
    """p_ij = <f_i, f_j> over all i and j, W_p^n = theta^n theta^nT of rank one.

    l_p^n = || sum_i theta_i^n f_i ||^2 (equation 11; equation 12 drops the square), so i = j is in.
    Weights: units x F.

    Shapes: BFK -> BU.
    """

    def __init__(self, fields: int, units: int) -> None:
        super().__init__()
        self.theta = glorot(units, fields, inputs=fields, outputs=units)

    def forward(self, f_BFK: Tensor) -> Tensor:
        l_p_BU = f_BFK.new_zeros(())
        for f_BF in f_BFK.permute(2, 0, 1).contiguous():  # one of the K coordinates at a time
            l_p_BU = l_p_BU + nn.functional.linear(f_BF, self.theta).square()
        return l_p_BU


class PairwiseInnerProduct(nn.Module):
    """p_ij = <f_i, f_j> for i < j, with a free W_p^n (the authors' later paper, Qu et al. 2018).

    Weights: units x F (F - 1) / 2.

    Shapes: BFK -> BU.
    """

    pairs_P: Tensor

    def __init__(self, fields: int, units: int) -> None:
        super().__init__()
        self.register_buffer("pairs_P", pair_positions(fields), persistent=False)
        pairs = len(self.pairs_P)
        self.weight = glorot(units, pairs, inputs=pairs, outputs=units)

    def forward(self, f_BFK: Tensor) -> Tensor:
        return nn.functional.linear(inner_products(f_BFK, self.pairs_P), self.weight)


class OuterProduct(nn.Module):
    """p = f_S f_S^T of the pooled f_S = sum_i f_i (equations 13 to 15), with a free W_p^n.

    Weights: units x K^2.

    Shapes: BFK -> BU.
    """

    def __init__(self, dim: int, units: int) -> None:
        super().__init__()
        self.weight = glorot(units, dim * dim, inputs=dim * dim, outputs=units)

    def forward(self, f_BFK: Tensor) -> Tensor:
        pooled_BK = f_BFK.sum(dim=1)
        p_BKK = pooled_BK[:, :, None] * pooled_BK[:, None, :]
        return nn.functional.linear(p_BKK.flatten(start_dim=1), self.weight)


INNER: dict[str, type[InnerProduct] | type[PairwiseInnerProduct]] = dict(
    zip(INNER_PRODUCTS, (InnerProduct, PairwiseInnerProduct), strict=True)
)
