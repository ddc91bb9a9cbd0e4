"""Field-aware factorisation machine (Juan et al. 2016)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interaction import field_aware
from ctrbench.models.registry import Model, register
from ctrbench.models.settings import FactorisedSettings


@register("ffm")
class FFM(Model):
    """y = w_0 + sum_i w_i x_i + sum_{i<j} <w_{i, field j}, w_{j, field i}> x_i x_j (eq. 4), with the
    linear and bias terms of the paper's experiments; trained by AdaGrad.

    A feature's row holds its factors towards each field one after the other.
    """

    def __init__(self, schema: Schema, settings: FactorisedSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        self.towards = (len(schema.fields), settings.embedding_dim)
        columns = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, columns, settings.init_std, first_order=True)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows_BFD = self.embedding(ids_BS, values_BX)
        w_BF, v_BFFK = rows_BFD[..., 0], rows_BFD[..., 1:].unflatten(-1, self.towards)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + field_aware(v_BFFK)
        return logits_B
