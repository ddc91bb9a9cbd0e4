"""DeepFM (Guo et al. 2017)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.factorised import factorisation_machine
from ctrbench.layers.mlp import MLP
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.deepfm import DeepFMSettings


@implements("deepfm")
class DeepFM(Model):
    """y = y_FM + y_DNN (DeepFM, eq. 1), both over the same embeddings V.

    y_FM = sum_i w_i x_i + sum_{i<j} <V_i, V_j> x_i x_j (eq. 2), a plain sum, and FM's w_0;
    y_DNN = MLP([V_1 x_1, ..., V_F x_F]) (eq. 3 and 4), without the inner sigmoid of the arXiv
    version, as the proceedings have it.
    """

    def __init__(self, schema: Schema, settings: DeepFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)
        self.mlp = MLP(len(schema.fields) * dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        y_fm_B = w_BF.sum(dim=1) + factorisation_machine(v_BFK)
        logits_B: Tensor = self.bias + y_fm_B + self.mlp(v_BFK.flatten(start_dim=1))
        return logits_B
