"""Convolution and pooling over the sequence of fields (Liu et al. 2015)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RowConvolution(nn.Module):
    """Each of the K embedding dimensions is convolved along the fields by filters of its own.

    r_{o, k} = sum over input maps c of w_{k, o, c} * s_{c, k}, with full padding, so that n fields
    give m = n + width - 1 positions. It is computed as a product with the banded (Toeplitz) matrix
    of each filter: torch's grouped convolution takes four times as long.

    Args:
        maps, out: input and output feature maps (C and O).
        dim: K.
        width: of a filter, in fields.
        length: n.

    Shapes: BCKn -> BOKm.
    """

    tap_mn: Tensor

    def __init__(self, maps: int, out: int, dim: int, width: int, length: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, out, maps, width))
        nn.init.normal_(self.weight, std=(maps * width) ** -0.5)
        position_m1 = torch.arange(length + width - 1)[:, None]
        tap_mn = torch.arange(length) - position_m1 + width - 1
        inside_mn = (tap_mn >= 0) & (tap_mn < width)
        self.register_buffer("tap_mn", tap_mn.where(inside_mn, width), persistent=False)

    def forward(self, s_BCKn: Tensor) -> Tensor:
        batch, maps, dim, length = s_BCKn.shape
        s_KBN = s_BCKn.permute(2, 0, 1, 3).reshape(dim, batch, maps * length)
        band_KOCmn = F.pad(self.weight, (0, 1))[..., self.tap_mn]  # zero off the band
        band_KNM = band_KOCmn.permute(0, 2, 4, 1, 3).flatten(3, 4).flatten(1, 2)
        r_KBM = s_KBN @ band_KNM
        out, places = self.weight.shape[1], len(self.tap_mn)
        return r_KBM.view(dim, batch, out, places).permute(1, 2, 0, 3)


def p_max_pooling(r: Tensor, p: int) -> Tensor:
    """Return the p largest entries along the last dimension, in their order.

    An exported program has torch's operations alone, as it is run without this package.

    Shapes: ... x n -> ... x p.
    """
    if r.device.type != "cpu" or torch.compiler.is_exporting():
        return r.gather(-1, _top_by_sort(r, p))
    return r.gather(-1, _top_by_partition(r.detach().flatten(end_dim=-2), p).view(*r.shape[:-1], p))


def _top_by_sort(r: Tensor, p: int) -> Tensor:
    """Return the positions of the p largest entries, ascending."""
    return r.topk(p, dim=-1, sorted=False).indices.sort(dim=-1).values


@torch.library.custom_op("ctrbench::largest", mutates_args=(), device_types="cpu")
def _top_by_partition(r_Nn: Tensor, p: int) -> Tensor:
    """Return the same for many short rows in a third of the time: numpy partitions by vector
    instructions, and what reaches the p-th largest of its row is kept."""
    rows, n = r_Nn.shape
    known_Nn = r_Nn.float() if r_Nn.dtype == torch.bfloat16 else r_Nn  # which numpy has not
    least_N = np.partition(known_Nn.numpy(), n - p, axis=1)[:, n - p]
    kept_Nn = known_Nn >= torch.from_numpy(least_N)[:, None]
    place_K = np.flatnonzero(kept_Nn.numpy())
    if len(place_K) != rows * p:  # some equal the p-th largest
        (tied_T,) = (kept_Nn.sum(dim=1) != p).nonzero(as_tuple=True)
        chosen_Tp = _top_by_sort(r_Nn.index_select(0, tied_T), p)
        kept_Nn[tied_T] = torch.zeros(len(tied_T), n, dtype=torch.bool).scatter_(1, chosen_Tp, True)
        place_K = np.flatnonzero(kept_Nn.numpy())
    return torch.from_numpy(place_K).view(rows, p).remainder_(n)


@_top_by_partition.register_fake
def _(r_Nn: Tensor, p: int) -> Tensor:
    return r_Nn.new_empty((r_Nn.shape[0], p), dtype=torch.int64)


def flexible_p(layer: int, layers: int, fields: int) -> int:
    """Return p_i = (1 - (i / l)^(l - i)) n for layer i < l, counted from 1, and 3 for the last."""
    if layer == layers:
        return 3
    return max(1, int((1 - (layer / layers) ** (layers - layer)) * fields))
