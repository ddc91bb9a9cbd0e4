"""Bilinear interaction and the squeeze-excitation of fields (Huang et al. 2019)."""

import torch
from torch import Tensor, nn

from ctrbench.layers.interactions.factorised import pair_products
from ctrbench.layers.mlp import glorot


class BilinearInteraction(nn.Module):
    """p_ij = (v_i W) * v_j for i < j, elementwise (FiBiNET).

    Args:
        kind: W is one for ``all`` pairs, one for ``each`` field i, or one for every pair
            (``interaction``).

    Shapes: BFK -> B x P K, P = F (F - 1) / 2.
    """

    def __init__(self, fields: int, dim: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        count = {"all": 1, "each": fields - 1, "interaction": fields * (fields - 1) // 2}[kind]
        self.weight = glorot(count, dim, dim, inputs=dim, outputs=dim)

    def forward(self, v_BFK: Tensor) -> Tensor:
        if self.kind == "interaction":
            return self._of_every_pair(v_BFK)
        v_FBK = v_BFK[:, :-1].transpose(0, 1)
        left_FBK = v_FBK @ self.weight
        return pair_products(left_FBK.transpose(0, 1), v_BFK).flatten(start_dim=1)

    def _of_every_pair(self, v_BFK: Tensor) -> Tensor:
        fields = v_BFK.shape[1]
        partners = range(fields - 1, 0, -1)
        products = []
        for i, weight_NKK in enumerate(torch.split(self.weight, list(partners))):
            left_BN = v_BFK[:, i] @ weight_NKK.transpose(0, 1).flatten(start_dim=1)
            products.append(left_BN * v_BFK[:, i + 1 :].flatten(start_dim=1))
        return torch.cat(products, dim=1)


class SqueezeExcitation(nn.Module):
    """SENET: v_i a_i, a = relu(W_2 relu(W_1 z)), z_i the mean of v_i (FiBiNET).

    W_1 is R x F, R = F / ``ratio`` rounded down, at least 1.

    Shapes: BFK -> BFK.
    """

    def __init__(self, fields: int, ratio: float) -> None:
        super().__init__()
        reduced = max(1, int(fields / ratio))
        self.squeeze = glorot(reduced, fields, inputs=fields, outputs=reduced)
        self.excite = glorot(fields, reduced, inputs=reduced, outputs=fields)

    def forward(self, v_BFK: Tensor) -> Tensor:
        z_BF = v_BFK.mean(dim=2)
        a_BF = ((z_BF @ self.squeeze.T).relu() @ self.excite.T).relu()
        return v_BFK * a_BF[..., None]
