"""Field-weighted and field-matrixed factorisation machines (Pan et al. 2018, Sun et al. 2021)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.field_weighted import FieldWeighted
from ctrbench.layers.mlp import glorot
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.fwfm import FmFMSettings, FwFMSettings


@implements("fwfm")
class FwFM(Model):
    """y = w_0 + linear + sum_{i<j} r_ij <v_i, v_j> x_i x_j, a number r_ij for each pair of fields.

    The linear terms are those of the paper: sum_i w_i x_i (LW), or sum_i <v_i, w_i> x_i with a
    vector w_i of the feature (FeLV) or of its field (FiLV). A row of the table holds the feature's
    own w_i, if it has one, and then v_i.
    """

    def __init__(self, schema: Schema, settings: FwFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std, fields = settings.embedding_dim, settings.init_std, len(schema.fields)
        self.linear = settings.linear
        tables = 2 if self.linear == "felv" else 1
        self.embedding = Embedding(schema, tables * dim, std, first_order=self.linear == "lw")
        if self.linear == "filv":
            self.field_vectors = glorot(fields, dim, inputs=fields * dim, outputs=1)
        self.pairs = FieldWeighted(fields, dim, "number")

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        linear_B, v_BFK = self._linear(ids_BS, values_BX)
        logits_B: Tensor = self.bias + linear_B + self.pairs(v_BFK)
        return logits_B

    def _linear(self, ids_BS: Tensor, values_BX: Tensor) -> tuple[Tensor, Tensor]:
        if self.linear == "lw":
            w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
            return w_BF.sum(dim=1), v_BFK
        if self.linear == "felv":
            w_BF, v_BFK = self.embedding.linear_and_factors(ids_BS, values_BX)
            return w_BF.sum(dim=1), v_BFK
        v_BFK = self.embedding(ids_BS, values_BX)
        return v_BFK.flatten(start_dim=1) @ self.field_vectors.flatten(), v_BFK


@implements("fmfm")
class FmFM(Model):
    """y = w_0 + sum_i w_i x_i + sum_{i<j} <v_i M_ij, v_j> x_i x_j, M_ij of a pair of fields.

    A diagonal one, a vector, makes it the paper's FvFM.
    """

    def __init__(self, schema: Schema, settings: FmFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)
        self.pairs = FieldWeighted(len(schema.fields), dim, settings.field_weights)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + self.pairs(v_BFK)
        return logits_B
