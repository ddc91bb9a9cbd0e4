"""Adaptive factorisation network and AFN+ (Cheng et al. 2020)."""

from dataclasses import replace

import torch
from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interactions.logarithmic import LogarithmicTransformation
from ctrbench.layers.mlp import MLP, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.afn import AFNPlusSettings, AFNSettings


@implements("afn")
class AFN(Model):
    """y = MLP([y_1, ..., y_N]), y_j = prod_i e_i^{w_ij} elementwise, e_i = |V_i x_i|.

    Logarithms and products are normalised over the batch.
    """

    def __init__(self, schema: Schema, settings: AFNSettings) -> None:
        super().__init__()
        dim, neurons = settings.embedding_dim, settings.logarithmic_neurons
        self.embedding = Embedding(schema, dim, settings.init_std)
        self.logarithmic = LogarithmicTransformation(len(schema.fields), dim, neurons)
        self.mlp = MLP(neurons * dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        e_BFK = self.embedding(ids_BS, values_BX)
        logits_B: Tensor = self.mlp(self.logarithmic(e_BFK))
        return logits_B


@implements("afn_plus")
class AFNPlus(AFN):
    """AFN+: y = w_1 y_AFN + w_2 MLP([V'_1, ..., V'_F]) + b, V' embeddings of its own."""

    def __init__(self, schema: Schema, settings: AFNPlusSettings) -> None:
        super().__init__(schema, settings)
        dim, dropout = settings.embedding_dim, settings.second_dropout
        own = settings if dropout is None else replace(settings, dropout=dropout)
        self.second_embedding = Embedding(schema, dim, settings.init_std)
        self.second_mlp = MLP(len(schema.fields) * dim, settings.second_hidden, own)
        self.output = linear(2, 1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        y_afn_B = super().forward(ids_BS, values_BX)
        v_BFK = self.second_embedding(ids_BS, values_BX)
        y_dnn_B = self.second_mlp(v_BFK.flatten(start_dim=1))
        logits_B: Tensor = self.output(torch.stack([y_afn_B, y_dnn_B], dim=1)).squeeze(1)
        return logits_B
