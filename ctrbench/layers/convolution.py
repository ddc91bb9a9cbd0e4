"""Convolution and pooling over the sequence of fields (Liu et al. 2015)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RowConvolution(nn.Module):
    """Each of the K embedding dimensions is convolved along the fields by filters of its own.

    r = sum over input maps c of w_{c, k} * s_{c, k}, with full padding: n fields give n + width - 1
    positions.

    Shapes: B maps K n -> B out K (n + width - 1).
    """

    def __init__(self, maps: int, out: int, dim: int, width: int) -> None:
        super().__init__()
        self.out, self.dim = out, dim
        self.weight = nn.Parameter(torch.empty(dim * out, maps, width))
        nn.init.normal_(self.weight, std=(maps * width) ** -0.5)

    def forward(self, s_BCKn: Tensor) -> Tensor:
        rows = s_BCKn.transpose(1, 2).flatten(1, 2)  # the maps of a dimension side by side
        convolved = F.conv1d(rows, self.weight, padding=self.weight.shape[2] - 1, groups=self.dim)
        return convolved.unflatten(1, (self.dim, self.out)).transpose(1, 2)


def p_max_pooling(r: Tensor, p: int) -> Tensor:
    """The p largest entries along the last dimension, in their order.

    Shapes: ... x n -> ... x p.
    """
    positions = r.topk(p, dim=-1, sorted=False).indices.sort(dim=-1).values
    return r.gather(-1, positions)


def flexible_p(layer: int, layers: int, fields: int) -> int:
    """p_i = (1 - (i / l)^(l - i)) n for layer i < l, counted from 1, and 3 for the last."""
    if layer == layers:
        return 3
    return max(1, int((1 - (layer / layers) ** (layers - layer)) * fields))
