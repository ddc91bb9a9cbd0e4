"""Pairs of fields, weighted by what the two fields have in common (Pan 2018, Sun 2021)."""

from torch import Tensor, nn

from ctrbench.layers.interactions.factorised import pair_positions
from ctrbench.layers.mlp import glorot
from ctrbench.layers.precision import dots


class FieldWeighted(nn.Module):
    """sum_{i<j} v_i^T M_ij v_j, a weight M_ij for every pair of fields.

    Args:
        kind: M_ij is a ``number`` times the identity (FwFM), diagonal, a ``vector`` (FvFM), or a
            ``matrix`` (FmFM).

    All pairs are taken together: the weights are laid out as one matrix over the fields, or over
    all F K coordinates, of which half is zero. Weights: P = F (F - 1) / 2 of a kind.

    Shapes: BFK -> B.
    """

    pairs_P: Tensor

    def __init__(self, fields: int, dim: int, kind: str) -> None:
        super().__init__()
        self.fields = fields
        self.register_buffer("pairs_P", pair_positions(fields), persistent=False)
        pairs = len(self.pairs_P)
        if kind == "matrix":
            self.weight = glorot(pairs, dim, dim, inputs=dim, outputs=dim)
        else:
            shape = (pairs, dim) if kind == "vector" else (pairs, 1)
            self.weight = glorot(*shape, inputs=pairs, outputs=1)

    def forward(self, v_BFK: Tensor) -> Tensor:
        all_pairs = self.weight.new_zeros(self.fields**2, *self.weight.shape[1:])
        m = all_pairs.index_copy(0, self.pairs_P, self.weight).view(
            self.fields, self.fields, *self.weight.shape[1:]
        )
        if m.dim() == 4:
            v_BD = v_BFK.flatten(start_dim=1)
            m_DD = m.transpose(1, 2).flatten(2, 3).flatten(0, 1)
            return dots(v_BD @ m_DD, v_BD)
        v_KBF = v_BFK.permute(2, 0, 1).contiguous()
        m_FF = m.squeeze(2) if m.shape[2] == 1 else m.permute(2, 0, 1)
        y_B: Tensor = ((v_KBF @ m_FF) * v_KBF).sum(dim=(0, 2))
        return y_B
