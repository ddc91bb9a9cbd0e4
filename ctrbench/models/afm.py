"""Attentional factorisation machine (Xiao et al. 2017)."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.factorised import pair_products
from ctrbench.layers.mlp import dropout_layer, glorot, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.afm import AFMSettings


@implements("afm")
class AFM(Model):
    """y = w_0 + sum_i w_i x_i + p^T sum_{i<j} a_ij (v_i * v_j) x_i x_j.

    a = softmax over all pairs of h^T relu(W (v_i * v_j) x_i x_j + b). Dropout falls on a and on the
    weighted sum, as in the authors' code.
    """

    def __init__(self, schema: Schema, settings: AFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, units = settings.embedding_dim, settings.attention_dim
        self.embedding = Embedding(schema, dim, settings.init_std, first_order=True)
        self.attention = nn.Sequential(linear(dim, units), nn.ReLU())  # W and b
        self.h = glorot(units, inputs=units, outputs=1)
        self.p = glorot(dim, inputs=dim, outputs=1)
        self.drop_weights = dropout_layer(settings.attention_dropout)
        self.drop_pooled = dropout_layer(settings.interaction_dropout)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        pairs_BPK = pair_products(v_BFK, v_BFK)
        a_BP = self.drop_weights((self.attention(pairs_BPK) @ self.h).softmax(dim=1))
        pooled_BK = self.drop_pooled((a_BP[:, None] @ pairs_BPK).squeeze(1))
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + pooled_BK @ self.p
        return logits_B
