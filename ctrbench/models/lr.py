"""Logistic regression."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.fused import LINEAR_SUM
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.lr import LRSettings


@implements("lr")
class LR(Model):
    """y = w_0 + sum_i w_i x_i, the logit."""

    def __init__(self, schema: Schema, settings: LRSettings | None = None) -> None:
        super().__init__()
        self.bias = zero_bias()
        self.embedding = Embedding(schema, 0, first_order=True)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        if (sum_B := self.embedding.row_sum(LINEAR_SUM, ids_BS, values_BX)) is not None:
            return self.bias + sum_B
        w_BF = self.embedding(ids_BS, values_BX).squeeze(2)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1)
        return logits_B
