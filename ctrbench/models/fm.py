"""Factorisation machine (Rendle 2010)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.fused import FM_SUM
from ctrbench.layers.interactions.factorised import factorisation_machine
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.base import FactorisedSettings


@implements("fm")
class FM(Model):
    """y = w_0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j (Rendle 2010, eq. 1)."""

    def __init__(self, schema: Schema, settings: FactorisedSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        if (sum_B := self.embedding.row_sum(FM_SUM, ids_BS, values_BX)) is not None:
            return self.bias + sum_B
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + factorisation_machine(v_BFK)
        return logits_B
