"""xDeepFM (Lian et al. 2018), and its compressed interaction network alone."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.compressed_interaction import CompressedInteraction
from ctrbench.layers.mlp import MLP, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.xdeepfm import CINSettings, XDeepFMSettings


@implements("cin")
class CIN(Model):
    """y = sum_i w_i x_i + w_cin^T p^+ + b: xDeepFM without its deep part.

    p^+ are the pooled maps of all layers of the compressed interaction network.
    """

    def __init__(self, schema: Schema, settings: CINSettings | XDeepFMSettings) -> None:
        super().__init__()
        self.bias = zero_bias()
        dim, std = settings.embedding_dim, settings.init_std
        self.embedding = Embedding(schema, dim, std, first_order=True)
        self.cin = CompressedInteraction(len(schema.fields), settings.cin_maps)
        self.output = linear(sum(settings.cin_maps), 1, bias=False)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        return self._shallow(w_BF, v_BFK)

    def _shallow(self, w_BF: Tensor, v_BFK: Tensor) -> Tensor:
        p_BH = self.cin(v_BFK)
        logits_B: Tensor = self.bias + w_BF.sum(dim=1) + self.output(p_BH).squeeze(1)
        return logits_B


@implements("xdeepfm")
class XDeepFM(CIN):
    """y = sum_i w_i x_i + w_cin^T p^+ + w_dnn^T x_dnn + b, all over the same embeddings."""

    def __init__(self, schema: Schema, settings: XDeepFMSettings) -> None:
        super().__init__(schema, settings)
        inputs = len(schema.fields) * settings.embedding_dim
        self.mlp = MLP(inputs, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        logits_B: Tensor = self._shallow(w_BF, v_BFK) + self.mlp(v_BFK.flatten(start_dim=1))
        return logits_B
