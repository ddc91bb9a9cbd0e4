"""Settings of models around one kind of interaction: cross networks, attention, and others."""

from dataclasses import dataclass

from ctrbench.data.settings import VALUE_ENCODINGS
from ctrbench.errors import UserError
from ctrbench.layers.settings import (
    BILINEAR,
    AttentionSettings,
    HiddenSettings,
    MLPSettings,
    NetworkSettings,
)
from ctrbench.models.settings.base import DeepSettings, FactorisedSettings, NeedsTwoFields
from ctrbench.settings import nearest, option, settings

STRUCTURE = "how the parts are composed: parallel, or one on the other (stacked, serial)"


@settings("nfm")
@dataclass
class NFMSettings(NeedsTwoFields, DeepSettings):
    """A multilayer perceptron over pooled pairs."""

    interaction_dropout: float = option(
        "probability of dropping a coordinate of the pooled interactions", ge=0, lt=1
    )


@dataclass
class _CrossLayers(NetworkSettings):
    cross_layers: int = option("layers of the cross network", ge=1)


@dataclass
class _Mixture(_CrossLayers):
    rank: int | None = option("rank of the experts of a cross layer; null: one full matrix", ge=1)
    experts: int = option("low-rank experts of a cross layer, where model.rank is given", ge=1)


@settings("crossnet")
@dataclass
class CrossNetSettings(_CrossLayers, FactorisedSettings):
    """A cross network alone."""


@settings("dcn")
@dataclass
class DCNSettings(_CrossLayers, DeepSettings):
    """A cross network beside a multilayer perceptron."""


@settings("crossnet_v2")
@dataclass
class CrossNetV2Settings(_Mixture, FactorisedSettings):
    """A cross network of full matrices, or of experts of a low rank, alone."""


@settings("dcnv2")
@dataclass
class DCNV2Settings(_Mixture, DeepSettings):
    """A cross network of full or low-rank matrices and a multilayer perceptron."""

    structure: str = option(STRUCTURE, choices=("parallel", "stacked"))


@settings("gdcn")
@dataclass
class GDCNSettings(_CrossLayers, DeepSettings):
    """A gated cross network and a multilayer perceptron."""

    structure: str = option(STRUCTURE, choices=("parallel", "stacked"))


@settings("edcn")
@dataclass
class EDCNSettings(_CrossLayers, HiddenSettings, FactorisedSettings):
    """A cross and a deep network of as many layers, with bridges between them."""

    bridge: str = option(
        "how cross and deep network are joined after each layer",
        choices=("hadamard", "addition", "concatenation"),
    )
    temperature: float | None = option(
        "temperature of the regulation modules; null: no such modules", gt=0
    )
    batch_norm: bool = option("batch normalisation of what either network gets of the last layer")


@dataclass
class _Maps(NetworkSettings):
    cin_maps: list[int] = option(
        "feature maps of each layer of the compressed interaction network (CIN)", ge=1
    )

    def validate(self) -> None:
        """Refuse a network without layers."""
        if not self.cin_maps:
            raise UserError("model.cin_maps=[]: give the maps of a layer at least")


@settings("cin")
@dataclass
class CINSettings(_Maps, FactorisedSettings):
    """A compressed interaction network."""


@settings("xdeepfm")
@dataclass
class XDeepFMSettings(_Maps, DeepSettings):
    """A compressed interaction network beside a multilayer perceptron."""

    def validate(self) -> None:
        _Maps.validate(self)
        MLPSettings.validate(self)


@dataclass
class _Wide:
    wide: bool = option("add a first-order weight for every feature")


@settings("autoint")
@dataclass
class AutoIntSettings(_Wide, AttentionSettings, FactorisedSettings):
    """Self-attention between the fields."""


@settings("autoint_plus")
@dataclass
class AutoIntPlusSettings(_Wide, AttentionSettings, DeepSettings):
    """Self-attention between the fields beside a multilayer perceptron."""

    def validate(self) -> None:
        AttentionSettings.validate(self)
        MLPSettings.validate(self)


@settings("fibinet")
@dataclass
class FiBiNETSettings(NeedsTwoFields, DeepSettings):
    """Bilinear interactions of fields and of fields that are weighted by their importance."""

    bilinear: str = option(
        "a bilinear matrix for all pairs of fields, each field or each pair (interaction)",
        choices=BILINEAR,
    )
    reduction: float = option("reduction ratio of the SENET layer: fields over its units", gt=0)
    shared: bool = option(
        "the same bilinear matrices for the fields and for the weighted ones",
        default=False,
        neutral=False,
    )


@settings("dlrm")
@dataclass
class DLRMSettings(DeepSettings):
    """Inner products of the embeddings and of a vector of all values."""

    bottom: list[int] = option("widths of the bottom network, over fields fed as a value", ge=1)
    bottom_dropout: float = option(
        "probability of dropping a unit of the bottom network", ge=0, lt=1
    )
    interaction: str = option(
        "dot: inner products of the vectors; cat: the vectors themselves", choices=("dot", "cat")
    )

    def check_fields(self, encodings: dict[str, str]) -> None:
        values = sum(encoding in VALUE_ENCODINGS for encoding in encodings.values())
        self._ask_for(1, len(encodings) - values, "fields that are not fed as a value")
        if self.interaction == "dot":
            vectors = len(encodings) - values + (values > 0)
            self._ask_for(2, vectors, "vectors (a field's, or that of all fields fed as a value)")


@settings("afn")
@dataclass
class AFNSettings(DeepSettings):
    """A multilayer perceptron over products of fields to learnt powers."""

    logarithmic_neurons: int = option("neurons of the logarithmic transformation layer", ge=1)


@dataclass
class _Second:
    second_hidden: list[int] = option("widths of the second network's hidden layers", ge=1)
    second_dropout: float | None = option(
        "dropout of the second network; null: as model.dropout", ge=0, lt=1
    )

    def validate(self) -> None:
        """Refuse a perceptron without layers."""
        if not self.second_hidden:
            raise UserError("model.second_hidden=[]: give the width of a layer at least")


@settings("afn_plus")
@dataclass
class AFNPlusSettings(_Second, AFNSettings):
    """A logarithmic transformation with its perceptron, and a second one over own embeddings."""

    def validate(self) -> None:
        _Second.validate(self)
        MLPSettings.validate(self)


@settings("masknet")
@dataclass
class MaskNetSettings(DeepSettings):
    """Layers whose inputs are multiplied by a mask that the row's embeddings give."""

    structure: str = option(STRUCTURE, choices=("parallel", "serial"))
    mask_blocks: int = option("mask blocks in parallel; in series every hidden layer is one", ge=1)
    mask_units: int = option("units of a mask block in parallel", ge=1)
    mask_ratio: float = option(
        "units of a mask's aggregation layer over the dimension of the mask", gt=0
    )
    embedding_norm: bool = option(
        "layer normalisation of each field's embedding before the first mask"
    )
    layer_norm: bool = option("layer normalisation of a mask block before its activation")


@settings("finalmlp")
@dataclass
class FinalMLPSettings(_Second, DeepSettings):
    """Two perceptrons, each over features selected for it, and their bilinear fusion."""

    gate: list[int] | None = option(
        "widths of the two gates that select features; null: no gates", ge=1
    )
    first_context: list[str] = option(
        "fields that the first network's gate sees; []: none, and all rows share the gate"
    )
    second_context: list[str] = option(
        "fields that the second network's gate sees; []: none, and all rows share the gate"
    )
    fusion_heads: int = option("heads of the bilinear fusion of the two networks", ge=1)

    def validate(self) -> None:
        MLPSettings.validate(self)
        _Second.validate(self)
        if self.gate == []:
            raise UserError("model.gate=[]: a gate has a hidden layer; null: no gates")
        for key, widths in (("hidden", self.widths), ("second_hidden", self.second_hidden)):
            if widths[-1] % self.fusion_heads:
                raise UserError(
                    f"model.fusion_heads={self.fusion_heads}: does not divide {widths[-1]}, the "
                    f"last of model.{key}; every head has its part of it"
                )

    def check_fields(self, encodings: dict[str, str]) -> None:
        for key in ("first_context", "second_context"):
            names = getattr(self, key)
            for name in names:
                said = f"model.{key}=[{','.join(names)}]"
                if name not in encodings:
                    raise UserError(f"{said}: no such field {name}; {nearest(name, encodings)}")
                if names.count(name) > 1:
                    raise UserError(f"{said}: {name} stands in it twice; name each field once")
