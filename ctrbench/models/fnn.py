"""Factorisation-machine supported neural network (Zhang, Du, Wang 2016)."""

import torch
from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.mlp import MLP
from ctrbench.models.properties import Properties
from ctrbench.models.registry import Model, register
from ctrbench.models.settings import PretrainedSettings


@register(
    "fnn",
    PretrainedSettings,
    Properties(
        "Zhang et al. 2016", "network", high_order=True, pretraining=True, compared=True, cited=True
    ),
    order=50,
)
class FNN(Model):
    """y = MLP(z), z = (w_0, z_1, ..., z_F), z_i = (w_i, v_i^1, ..., v_i^K) x_i (FNN, eq. 4 and 5).

    w_0, w and v carry the names that they have in FM: a run starts from those of its trained FM,
    and then trains all of it.
    """

    def __init__(self, schema: Schema, settings: PretrainedSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)
        inputs = len(schema.fields) * (dim + 1) + 1
        self.mlp = MLP(inputs, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows_BFD = self.embedding(ids_BS, values_BX)
        bias_B1 = self.bias.expand(rows_BFD.shape[0], 1)
        logits_B: Tensor = self.mlp(torch.cat([bias_B1, rows_BFD.flatten(start_dim=1)], dim=1))
        return logits_B
