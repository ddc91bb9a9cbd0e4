"""Factorisation machine (Rendle 2010)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interaction import factorisation_machine
from ctrbench.layers.mlp import zero_bias
from ctrbench.models.registry import Model, register
from ctrbench.models.settings import FactorisedSettings


@register("fm")
class FM(Model):
    """y = w_0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j (Rendle 2010, eq. 1)."""

    def __init__(self, schema: Schema, settings: FactorisedSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        self.embedding = Embedding(schema, 1 + settings.embedding_dim, settings.init_std)

    def forward(self, ids_BF: Tensor, values_BX: Tensor) -> Tensor:
        rows_BFD = self.embedding(ids_BF, values_BX)
        w_BF, v_BFK = rows_BFD[..., 0], rows_BFD[..., 1:]
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + factorisation_machine(v_BFK)
        return logits_B
