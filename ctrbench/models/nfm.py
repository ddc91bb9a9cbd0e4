"""Neural factorisation machine (He & Chua 2017)."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.factorised import bi_interaction
from ctrbench.layers.mlp import MLP, dropout_layer
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.nfm import NFMSettings


@implements("nfm")
class NFM(Model):
    """y = w_0 + sum_i w_i x_i + MLP(f_BI), f_BI = sum_{i<j} x_i v_i * x_j v_j, elementwise.

    f_BI is normalised where the hidden layers are, and dropped by a probability of its own.
    """

    def __init__(self, schema: Schema, settings: NFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)
        self.norm = nn.BatchNorm1d(dim) if settings.batch_norm else nn.Identity()
        self.dropout = dropout_layer(settings.interaction_dropout)
        self.mlp = MLP(dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        f_BK = self.dropout(self.norm(bi_interaction(v_BFK)))
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + self.mlp(f_BK)
        return logits_B
