"""Product-based neural networks (Qu et al. 2016)."""

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interactions.product import INNER, OuterProduct
from ctrbench.layers.mlp import MLP, Hidden, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.base import DeepSettings
from ctrbench.models.settings.pnn import InnerProductSettings


class _PNN(Model):
    """l_1 = act(l_z + l_p + b_1) with l_z = W_z z (PNN, eq. 2 to 4), then the other layers.

    z = (f_1, ..., f_F) are the embeddings; there is no first-order term.
    """

    def __init__(self, schema: Schema, settings: DeepSettings, products: list[nn.Module]) -> None:
        super().__init__()
        units, *widths = settings.widths
        dim = settings.embedding_dim
        self.embedding = Embedding(schema, dim, settings.init_std)
        bias = not settings.batch_norm  # which would subtract it again
        self.linear = linear(len(schema.fields) * dim, units, bias=bias)  # W_z and b_1
        self.products = nn.ModuleList(products)
        self.hidden = Hidden(units, settings)
        self.mlp = MLP(units, widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        f_BFK = self.embedding(ids_BS, values_BX)
        l_BU = self.linear(f_BFK.flatten(start_dim=1))
        for product in self.products:
            l_BU = l_BU + product(f_BFK)
        logits_B: Tensor = self.mlp(self.hidden(l_BU))
        return logits_B


def _inner(schema: Schema, settings: InnerProductSettings) -> nn.Module:
    return INNER[settings.product](len(schema.fields), settings.widths[0])


def _outer(settings: DeepSettings) -> nn.Module:
    return OuterProduct(settings.embedding_dim, settings.widths[0])


@implements("ipnn")
class IPNN(_PNN):
    """y = MLP(act(l_z + l_p + b_1)), l_p from the inner products <f_i, f_j> (section 3.1)."""

    def __init__(self, schema: Schema, settings: InnerProductSettings) -> None:
        super().__init__(schema, settings, [_inner(schema, settings)])


@implements("opnn")
class OPNN(_PNN):
    """y = MLP(act(l_z + l_p + b_1)), l_p from the sum-pooled outer product (section 3.2)."""

    def __init__(self, schema: Schema, settings: DeepSettings) -> None:
        super().__init__(schema, settings, [_outer(settings)])


@implements("pnn")
class PNN(_PNN):
    """y = MLP(act(l_z + l_p + b_1)), l_p from both inner and outer products (section 4)."""

    def __init__(self, schema: Schema, settings: InnerProductSettings) -> None:
        super().__init__(schema, settings, [_inner(schema, settings), _outer(settings)])
