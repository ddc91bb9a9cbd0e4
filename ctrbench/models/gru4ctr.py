"""Gated recurrent units over the past, and a network (the base of DIEN, Zhou et al. 2019)."""

import torch
from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.history import HistoryEmbedding
from ctrbench.layers.mlp import MLP
from ctrbench.layers.recurrent import GRU
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.gru4ctr import GRU4CTRSettings


@implements("gru4ctr")
class GRU4CTR(Model):
    """y = MLP([V_1 x_1, ..., V_F x_F, h_n]), h_n = GRU(p_1, ..., p_n) of the past rows p."""

    def __init__(self, schema: Schema, settings: GRU4CTRSettings) -> None:
        super().__init__()
        dim, units = settings.embedding_dim, settings.state_dim
        self.history = HistoryEmbedding(schema, dim, settings.init_std)
        self.past = GRU(self.history.inputs, units)
        self.mlp = MLP(self.history.fields * dim + units, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows = self.history(ids_BS, values_BX)
        h_BU = self.past(rows.inputs, rows.used_BT)
        inputs_BI = torch.cat([rows.present_BFK.flatten(start_dim=1), h_BU], dim=1)
        logits_B: Tensor = self.mlp(inputs_BI)
        return logits_B
