"""DCN-V2 (Wang et al. 2021), its cross network alone, and GDCN with a gated one (2023)."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.interactions.cross import CrossNetworkMix, CrossNetworkV2, GatedCrossNetwork
from ctrbench.layers.mlp import MLP, glorot
from ctrbench.models.interaction_settings import (
    CrossV2Settings,
    DeepCrossV2Settings,
    GatedCrossSettings,
)
from ctrbench.models.properties import Properties
from ctrbench.models.registry import Model, register


def _cross(dim: int, settings: CrossV2Settings | DeepCrossV2Settings) -> nn.Module:
    if settings.rank is None:
        return CrossNetworkV2(dim, settings.cross_layers)
    return CrossNetworkMix(dim, settings.cross_layers, settings.rank, settings.experts)


@register(
    "crossnet_v2",
    CrossV2Settings,
    Properties("Wang et al. 2021", "cross network", low_order=True, high_order=True),
    order=2021.3,
)
class CrossNetV2(Model):
    """y = w^T x_L + b, x_{l+1} = x_0 * (W_l x_l + b_l) + x_l, x_0 = (v_1, ..., v_F).

    With a ``rank``, W_l is a mixture of experts of that rank.
    """

    def __init__(self, schema: Schema, settings: CrossV2Settings) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        self.cross = _cross(dim, settings)
        self.bias = zero_bias()
        self.output = glorot(dim, inputs=dim, outputs=1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        x_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        logits_B: Tensor = self.bias + self.cross(x_BD) @ self.output
        return logits_B


class _DeepCross(Model):
    """Stacked, y = MLP(x_L); parallel, y = w^T (x_L, h_L) + b, h_L the MLP's last hidden layer.

    The two parts of w stand apart: that of h_L, and b, are the MLP's last layer.
    """

    def __init__(
        self,
        schema: Schema,
        settings: DeepCrossV2Settings | GatedCrossSettings,
        cross: nn.Module,
    ) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        self.cross = cross
        self.stacked = settings.structure == "stacked"
        if not self.stacked:
            self.output = glorot(dim, inputs=dim, outputs=1)
        self.mlp = MLP(dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        x_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        x_L_BD = self.cross(x_BD)
        logits_B: Tensor = self.mlp(x_L_BD if self.stacked else x_BD)
        return logits_B if self.stacked else logits_B + x_L_BD @ self.output


@register(
    "dcnv2",
    DeepCrossV2Settings,
    Properties("Wang et al. 2021", "cross network", low_order=True, high_order=True),
    order=2021.4,
)
class DCNV2(_DeepCross):
    """The cross network of :class:`CrossNetV2` and an MLP, parallel or stacked."""

    def __init__(self, schema: Schema, settings: DeepCrossV2Settings) -> None:
        dim = len(schema.fields) * settings.embedding_dim
        super().__init__(schema, settings, _cross(dim, settings))


@register(
    "gdcn",
    GatedCrossSettings,
    Properties("Wang et al. 2023", "cross network", low_order=True, high_order=True),
    order=2023.8,
)
class GDCN(_DeepCross):
    """x_{l+1} = x_0 * (W_l x_l + b_l) * sigmoid(W_l^g x_l) + x_l and an MLP, parallel (GDCN-P) or
    stacked (GDCN-S)."""

    def __init__(self, schema: Schema, settings: GatedCrossSettings) -> None:
        dim = len(schema.fields) * settings.embedding_dim
        super().__init__(schema, settings, GatedCrossNetwork(dim, settings.cross_layers))
