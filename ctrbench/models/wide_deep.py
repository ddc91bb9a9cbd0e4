"""Wide & Deep (Cheng et al. 2016) and the two forms that the DeepFM paper compares."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.mlp import DNN
from ctrbench.models.fm import FM
from ctrbench.models.lr import LR
from ctrbench.models.registry import Model, register
from ctrbench.models.settings import CrossedSettings, DeepSettings


def _dnn(schema: Schema, settings: DeepSettings) -> nn.Module:
    return DNN(schema, settings.embedding_dim, settings.init_std, settings)


@register("wide_deep")
class WideDeep(Model):
    """y = w_wide . [x, phi(x)] + w_deep . a + b (Wide & Deep, eq. 3), trained jointly.

    b is the sum of the two parts' biases: each is trained by its part's optimizer.

    phi_k(x), a product of the features of the fields that cross k names, is made by the data layer:
    the columns of ids after those of the fields.
    """

    def __init__(self, schema: Schema, settings: CrossedSettings) -> None:
        super().__init__()
        self.slots = schema.slots
        self.wide = LR(schema.crossed, settings)
        self.deep = _dnn(schema, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        deep_B = self.deep(ids_BS[:, : self.slots], values_BX)
        logits_B: Tensor = self.wide(ids_BS, values_BX) + deep_B
        return logits_B


@register("lr_dnn")
class LRDNN(Model):
    """y = w_0 + w . x + DNN(E) (DeepFM, section 4.1): no crosses."""

    def __init__(self, schema: Schema, settings: DeepSettings) -> None:
        super().__init__()
        self.wide = LR(schema, settings)
        self.deep = _dnn(schema, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        logits_B: Tensor = self.wide(ids_BS, values_BX) + self.deep(ids_BS, values_BX)
        return logits_B


@register("fm_dnn")
class FMDNN(Model):
    """y = FM(w, V) + DNN(E) (DeepFM, section 4.1): E is not V."""

    def __init__(self, schema: Schema, settings: DeepSettings) -> None:
        super().__init__()
        self.wide = FM(schema, settings)
        self.deep = _dnn(schema, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        logits_B: Tensor = self.wide(ids_BS, values_BX) + self.deep(ids_BS, values_BX)
        return logits_B
