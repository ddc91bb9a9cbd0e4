"""Deep & Cross Network (Wang et al. 2017), and its cross network alone."""

from collections.abc import Callable

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, zero_bias
from ctrbench.layers.initialization import glorot_
from ctrbench.layers.interactions.cross import CrossNetwork
from ctrbench.layers.mlp import MLP, glorot
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.base import DeepSettings, FactorisedSettings
from ctrbench.models.settings.dcn import CrossNetSettings, DCNSettings


class Cross(Model):
    """y = w^T x_L + b, x_L = cross(x_0), x_0 = (v_1, ..., v_F).

    Args:
        cross: makes the cross network for the length of x_0.
    """

    def __init__(
        self, schema: Schema, settings: FactorisedSettings, cross: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        self.cross = cross(dim)
        self.bias = zero_bias()
        self.output = glorot(dim, inputs=dim, outputs=1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        x_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        logits_B: Tensor = self.bias + self.cross(x_BD) @ self.output
        return logits_B


class DeepCross(Model):
    """Stacked, y = MLP(x_L); parallel, y = w^T (x_L, h_L) + b, h_L the MLP's last hidden layer.

    The two parts of w stand apart: that of h_L, and b, are the MLP's last layer. They start as the
    one linear map that they are, of as many inputs as x_L and h_L have together.

    Args:
        embedding: gives x_0.
        cross: gives x_L.
    """

    def __init__(
        self,
        schema: Schema,
        settings: DeepSettings,
        *,
        embedding: Embedding,
        cross: nn.Module,
        stacked: bool,
    ) -> None:
        super().__init__()
        dim = len(schema.fields) * settings.embedding_dim
        self.embedding, self.cross, self.stacked = embedding, cross, stacked
        self.mlp = MLP(dim, settings.widths, settings)
        if not stacked:
            inputs = dim + settings.widths[-1]
            self.output = glorot(dim, inputs=inputs, outputs=1)
            glorot_(self.mlp.output.weight.data, inputs=inputs, outputs=1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        x_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        x_L_BD = self.cross(x_BD)
        logits_B: Tensor = self.mlp(x_L_BD if self.stacked else x_BD)
        return logits_B if self.stacked else logits_B + x_L_BD @ self.output


@implements("crossnet")
class CrossNet(Cross):
    """:class:`Cross` with x_{l+1} = x_0 x_l^T w_l + b_l + x_l (DCN, eq. 3)."""

    def __init__(self, schema: Schema, settings: CrossNetSettings) -> None:
        super().__init__(schema, settings, lambda dim: CrossNetwork(dim, settings.cross_layers))


@implements("dcn")
class DCN(DeepCross):
    """The cross network of :class:`CrossNet` and an MLP, in parallel."""

    def __init__(self, schema: Schema, settings: DCNSettings) -> None:
        dim = len(schema.fields) * settings.embedding_dim
        embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        cross = CrossNetwork(dim, settings.cross_layers)
        super().__init__(schema, settings, embedding=embedding, cross=cross, stacked=False)
