"""DCN-V2 (Wang et al. 2021), its cross network alone, and GDCN with a gated one (2023)."""

from torch import nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.interactions.cross import CrossNetworkMix, CrossNetworkV2, GatedCrossNetwork
from ctrbench.models.base import implements
from ctrbench.models.dcn import Cross, DeepCross
from ctrbench.models.settings.dcnv2 import (
    CrossNetV2Settings,
    DCNV2Settings,
    GDCNSettings,
)


def _cross(dim: int, settings: CrossNetV2Settings | DCNV2Settings) -> nn.Module:
    if settings.rank is None:
        return CrossNetworkV2(dim, settings.cross_layers)
    return CrossNetworkMix(dim, settings.cross_layers, settings.rank, settings.experts)


@implements("crossnet_v2")
class CrossNetV2(Cross):
    """:class:`Cross` with x_{l+1} = x_0 * (W_l x_l + b_l) + x_l.

    With a ``rank``, the layers are those of :class:`CrossNetworkMix`, of low-rank experts.
    """

    def __init__(self, schema: Schema, settings: CrossNetV2Settings) -> None:
        super().__init__(schema, settings, lambda dim: _cross(dim, settings))


class _DeepCross(DeepCross):
    """Parallel or stacked, by the settings."""

    def __init__(
        self,
        schema: Schema,
        settings: DCNV2Settings | GDCNSettings,
        cross: nn.Module,
    ) -> None:
        embedding = Embedding(schema, settings.embedding_dim, settings.init_std)
        stacked = settings.structure == "stacked"
        super().__init__(schema, settings, embedding=embedding, cross=cross, stacked=stacked)


@implements("dcnv2")
class DCNV2(_DeepCross):
    """The cross network of :class:`CrossNetV2` and an MLP, parallel or stacked."""

    def __init__(self, schema: Schema, settings: DCNV2Settings) -> None:
        dim = len(schema.fields) * settings.embedding_dim
        super().__init__(schema, settings, _cross(dim, settings))


@implements("gdcn")
class GDCN(_DeepCross):
    """x_{l+1} = x_0 * (W_l x_l + b_l) * sigmoid(W_l^g x_l) + x_l and an MLP, parallel (GDCN-P) or
    stacked (GDCN-S)."""

    def __init__(self, schema: Schema, settings: GDCNSettings) -> None:
        dim = len(schema.fields) * settings.embedding_dim
        super().__init__(schema, settings, GatedCrossNetwork(dim, settings.cross_layers))
