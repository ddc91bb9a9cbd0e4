"""Factorisation-machine supported neural network (Zhang, Du, Wang 2016)."""

import torch
from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.mlp import MLP
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.fnn import FNNSettings


@implements("fnn")
class FNN(Model):
    """y = MLP(z), z = (w_0, z_1, ..., z_F), z_i = (w_i, v_i^1, ..., v_i^K) x_i (FNN, eq. 4 and 5).

    w_0, w and v carry the names that they have in FM: a run starts from those of its trained FM,
    and then trains all of it. With batch normalisation, which subtracts every constant, w_0 is no
    input: it stays that of the FM.
    """

    def __init__(self, schema: Schema, settings: FNNSettings) -> None:
        super().__init__()
        self.constant_input = not settings.batch_norm
        if self.constant_input:
            self.bias = zero_bias()
        else:
            self.register_buffer("bias", zero_bias().detach())
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)
        inputs = len(schema.fields) * (dim + 1) + self.constant_input
        self.mlp = MLP(inputs, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        z_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        if self.constant_input:
            z_BD = torch.cat([self.bias.expand(z_BD.shape[0], 1), z_BD], dim=1)
        logits_B: Tensor = self.mlp(z_BD)
        return logits_B
