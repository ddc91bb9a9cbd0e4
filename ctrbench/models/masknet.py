"""MaskNet (Wang et al. 2021)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.mlp import MLP, Hidden, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.masknet import MaskNetSettings


@implements("masknet")
class MaskNet(Model):
    """Serial: y = w^T h_L + b, h_l = block_l(V, h_{l-1}), h_0 = LN(V).

    Parallel: y = MLP([block_1(V, LN(V)), ..., block_u(V, LN(V))]). V = (v_1, ..., v_F), and LN(V)
    normalises each field's vector, with weights of its own as in FuxiCTR.
    """

    def __init__(self, schema: Schema, settings: MaskNetSettings) -> None:
        super().__init__()
        fields, dim = len(schema.fields), settings.embedding_dim
        inputs, widths = fields * dim, settings.widths
        self.embedding = Embedding(schema, dim, settings.init_std)
        self.norm = _FieldNorm(fields, dim) if settings.embedding_norm else nn.Identity()
        self.serial = settings.structure == "serial"
        if self.serial:
            shapes = list(zip([inputs, *widths], widths, strict=False))
            self.mlp = MLP(widths[-1], [], settings)
        else:
            shapes = [(inputs, settings.mask_units)] * settings.mask_blocks
            self.mlp = MLP(settings.mask_blocks * settings.mask_units, widths, settings)
        self.blocks = nn.ModuleList(_MaskBlock(inputs, *shape, settings) for shape in shapes)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        v_BFK = self.embedding(ids_BS, values_BX)
        v_BD, h_BU = v_BFK.flatten(start_dim=1), self.norm(v_BFK).flatten(start_dim=1)
        if self.serial:
            for block in self.blocks:
                h_BU = block(v_BD, h_BU)
        else:
            h_BU = torch.cat([block(v_BD, h_BU) for block in self.blocks], dim=1)
        logits_B: Tensor = self.mlp(h_BU)
        return logits_B


class _MaskBlock(nn.Module):
    """relu(LN(W (mask * h))), mask = W_2 relu(W_1 V + b_1) + b_2, an instance-guided mask.

    Shapes: BD, BH -> BU.
    """

    def __init__(self, inputs: int, length: int, units: int, settings: MaskNetSettings) -> None:
        super().__init__()
        aggregated = max(1, int(length * settings.mask_ratio))
        self.mask = nn.Sequential(linear(inputs, aggregated), nn.ReLU(), linear(aggregated, length))
        norm = nn.LayerNorm(units) if settings.layer_norm else nn.Identity()
        self.hidden = nn.Sequential(
            linear(length, units, bias=False), norm, Hidden(units, settings)
        )

    def forward(self, v_BD: Tensor, h_BH: Tensor) -> Tensor:
        units_BU: Tensor = self.hidden(self.mask(v_BD) * h_BH)
        return units_BU


class _FieldNorm(nn.Module):
    """Layer norm of each field's vector. Shapes: BFK -> BFK."""

    def __init__(self, fields: int, dim: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(fields, dim))
        self.bias = nn.Parameter(torch.zeros(fields, dim))

    def forward(self, v_BFK: Tensor) -> Tensor:
        return F.layer_norm(v_BFK, v_BFK.shape[2:]) * self.gain + self.bias
