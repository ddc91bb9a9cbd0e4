"""Compressed interaction network, CIN (Lian et al. 2018)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.layers.mlp import glorot


class CompressedInteraction(nn.Module):
    """x_h^k = sum_{i,j} W_ij^{k,h} (x_i^{k-1} * x_j^0), each map summed over K.

    x^0 are the embeddings of the fields. Of all layers every map is both pooled and handed on, and
    there is no activation, as the paper has it by default.

    Args:
        maps: H_k, the feature maps of each layer.

    Shapes: BFK -> BH, H = sum of ``maps``.
    """

    def __init__(self, fields: int, maps: list[int]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(
            glorot(out, into, fields, inputs=into * fields, outputs=out)
            for into, out in zip([fields, *maps], maps, strict=False)
        )

    def forward(self, v_BFK: Tensor) -> Tensor:
        x_0_BKF = v_BFK.transpose(1, 2).contiguous()
        x_BKH, pooled = x_0_BKF, list[Tensor]()
        for weight_HGF in self.weights:
            products_BKGF = x_BKH[..., None] * x_0_BKF[..., None, :]
            x_BKH = F.linear(products_BKGF.flatten(start_dim=2), weight_HGF.flatten(start_dim=1))
            pooled.append(x_BKH.sum(dim=1))
        return torch.cat(pooled, dim=1)
