"""Deep & Cross Network (Wang et al. 2017), and its cross network alone."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.cross import CrossNetwork
from ctrbench.layers.mlp import MLP, glorot
from ctrbench.models.interaction_settings import CrossSettings, DeepCrossSettings
from ctrbench.models.properties import Properties
from ctrbench.models.registry import Model, register


@register(
    "crossnet",
    CrossSettings,
    Properties("Wang et al. 2017", "cross network", low_order=True, high_order=True),
    order=2017.7,
)
class CrossNet(Model):
    """y = w^T x_L + b, x_{l+1} = x_0 x_l^T w_l + b_l + x_l (DCN, eq. 3), x_0 = (v_1, ..., v_F)."""

    def __init__(self, schema: Schema, settings: CrossSettings) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        self.cross = CrossNetwork(dim, settings.cross_layers)
        self.bias = zero_bias()
        self.output = glorot(dim, inputs=dim, outputs=1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        x_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        logits_B: Tensor = self.bias + self.cross(x_BD) @ self.output
        return logits_B


@register(
    "dcn",
    DeepCrossSettings,
    Properties("Wang et al. 2017", "cross network", low_order=True, high_order=True),
    order=2017.8,
)
class DCN(Model):
    """y = w^T (x_L, h_L) + b of a cross network x_L and a deep one h_L over the same x_0.

    The two parts of w stand apart: that of h_L, and b, are the MLP's last layer.
    """

    def __init__(self, schema: Schema, settings: DeepCrossSettings) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        self.cross = CrossNetwork(dim, settings.cross_layers)
        self.output = glorot(dim, inputs=dim, outputs=1)
        self.mlp = MLP(dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        x_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        logits_B: Tensor = self.cross(x_BD) @ self.output + self.mlp(x_BD)
        return logits_B
