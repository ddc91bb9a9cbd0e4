"""Field-aware factorisation machine (Juan et al. 2016)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.fused import FFM_SUM
from ctrbench.layers.interactions.factorised import field_aware
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.ffm import FFMSettings


@implements("ffm")
class FFM(Model):
    """y = w_0 + sum_i w_i x_i + sum_{i<j} <v_{i, field j}, v_{j, field i}> x_i x_j (eq. 4).

    The linear and bias terms are those of the paper's experiments. A row of the table holds w_i and
    then, for each of the K factors, those towards every field.
    """

    def __init__(self, schema: Schema, settings: FFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        self.factors = (settings.embedding_dim, len(schema.fields))
        columns = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, columns, settings.init_std, first_order=True)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        if (sum_B := self.embedding.row_sum(FFM_SUM, ids_BS, values_BX)) is not None:
            return self.bias + sum_B
        w_BF, v_BFC = self.embedding.first_order_and_factors(ids_BS, values_BX)
        v_BFKF = v_BFC.view(*v_BFC.shape[:2], *self.factors)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + field_aware(v_BFKF)
        return logits_B
