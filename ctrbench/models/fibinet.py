"""FiBiNET (Huang et al. 2019)."""

import torch
from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.bilinear import BilinearInteraction, SqueezeExcitation
from ctrbench.layers.mlp import MLP
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.fibinet import FiBiNETSettings


@implements("fibinet")
class FiBiNET(Model):
    """y = w_0 + sum_i w_i x_i + MLP([p, q]): p bilinear interactions of the embeddings v, q those
    of SENET(v), each with matrices of its own or both with the same."""

    def __init__(self, schema: Schema, settings: FiBiNETSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, fields, kind = settings.embedding_dim, len(schema.fields), settings.bilinear
        self.embedding = Embedding(schema, dim, settings.init_std, first_order=True)
        self.senet = SqueezeExcitation(fields, settings.reduction)
        self.p = BilinearInteraction(fields, dim, kind)
        self.q = self.p if settings.shared else BilinearInteraction(fields, dim, kind)
        self.mlp = MLP(fields * (fields - 1) * dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        interactions = torch.cat([self.p(v_BFK), self.q(self.senet(v_BFK))], dim=1)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + self.mlp(interactions)
        return logits_B
