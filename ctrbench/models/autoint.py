"""AutoInt and AutoInt+ (Song et al. 2019)."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interactions.attention import InteractingLayer
from ctrbench.layers.mlp import MLP, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.autoint import AutoIntPlusSettings, AutoIntSettings


@implements("autoint")
class AutoInt(Model):
    """y = w^T (e_1, ..., e_F) + b, e the fields' vectors behind the interacting layers.

    With ``wide``, plus sum_i w_i x_i, as in FuxiCTR.
    """

    def __init__(self, schema: Schema, settings: AutoIntSettings | AutoIntPlusSettings) -> None:
        super().__init__()
        fields, dim = len(schema.fields), settings.embedding_dim
        attended = settings.attention_dim
        self.wide = settings.wide
        self.embedding = Embedding(schema, dim, settings.init_std, first_order=self.wide)
        lengths = [dim] + [attended] * (settings.attention_layers - 1)
        self.attention = nn.Sequential(*(InteractingLayer(each, settings) for each in lengths))
        self.output = linear(fields * attended, 1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        logits_B, _ = self._attended(ids_BS, values_BX)
        return logits_B

    def _attended(self, ids_BS: Tensor, values_BX: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the attention layers, and the embeddings."""
        if not self.wide:
            v_BFK = self.embedding(ids_BS, values_BX)
            return self._of(v_BFK), v_BFK
        w_BF, v_BFK = self.embedding.first_order_and_factors(ids_BS, values_BX)
        return self._of(v_BFK) + w_BF.sum(dim=1), v_BFK

    def _of(self, v_BFK: Tensor) -> Tensor:
        logits_B: Tensor = self.output(self.attention(v_BFK).flatten(start_dim=1)).squeeze(1)
        return logits_B


@implements("autoint_plus")
class AutoIntPlus(AutoInt):
    """AutoInt+: plus MLP([v_1, ..., v_F]) over the same embeddings."""

    def __init__(self, schema: Schema, settings: AutoIntPlusSettings) -> None:
        super().__init__(schema, settings)
        inputs = len(schema.fields) * settings.embedding_dim
        self.mlp = MLP(inputs, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        attended_B, v_BFK = self._attended(ids_BS, values_BX)
        logits_B: Tensor = attended_B + self.mlp(v_BFK.flatten(start_dim=1))
        return logits_B
