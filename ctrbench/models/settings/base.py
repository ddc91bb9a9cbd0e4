"""What the settings of all models have, and those of the models of the DeepFM paper and of the
factorisation machines after it."""

from dataclasses import dataclass

from ctrbench.data.settings import Crosses
from ctrbench.errors import UserError
from ctrbench.layers.settings import FIELD_WEIGHTS, INNER_PRODUCTS, MLPSettings, NetworkSettings
from ctrbench.settings import option, settings


@dataclass
class ModelSettings:
    """What every model has, and what it asks of the rooms around it."""

    name: str = option("name in the registry of models")

    def crossing(self) -> Crosses | None:
        """Return the crosses that the data layer prepares; None for a model without crosses."""
        return None

    def pretraining(self) -> bool:
        """Return whether the model starts from the weights of a pre-training run."""
        return False

    def check_fields(self, encodings: dict[str, str]) -> None:
        """Refuse rows that the model can make nothing of.

        Args:
            encodings: the encoding of each field there is.

        Raises:
            UserError: naming the model or the key, and what to do.
        """

    def check_history(self, history: object) -> None:
        """Refuse rows without a past, of a model that reads it.

        Args:
            history: what is declared of it; false where nothing is.

        Raises:
            UserError: naming the model, and how a history is declared.
        """

    def _ask_for(self, least: int, there: int, kind: str = "fields") -> None:
        if there < least:
            raise UserError(
                f"model={self.name}: its interactions take {least} or more {kind}, and the data "
                f"has {there}; choose another model or leave out fewer (data.exclude)"
            )


@settings("lr")
@dataclass
class LRSettings(ModelSettings):
    """A model with first-order weights alone."""


@dataclass
class FactorisedSettings(ModelSettings):
    """A model with an embedding for every feature."""

    embedding_dim: int = option("dimension of an embedding, K", ge=1)
    init_std: float = option("standard deviation of the initial embeddings", gt=0)


@settings("ccpm")
@dataclass
class CCPMSettings(NetworkSettings, FactorisedSettings):
    """A model with convolutions over the fields."""

    maps: list[int] = option("feature maps of each convolution", ge=1)
    filters: list[int] = option("width of each convolution's filters, in fields", ge=1)

    def validate(self) -> None:
        """Refuse convolutions without a width, or widths without a convolution."""
        if len(self.maps) != len(self.filters) or not self.maps:
            raise UserError(
                f"model.maps={self.maps}, model.filters={self.filters}: "
                "give both for every convolution"
            )


@settings("dnn", "lr_dnn", "opnn")
@dataclass
class DeepSettings(MLPSettings, FactorisedSettings):
    """A model with a multilayer perceptron."""


@settings("fnn")
@dataclass
class FNNSettings(DeepSettings):
    """A deep model that starts from a factorisation machine."""

    pretrain: bool = option("start from the weights of a trained FM; false: from random ones")

    def pretraining(self) -> bool:
        return self.pretrain

    def check_fields(self, encodings: dict[str, str]) -> None:
        if self.pretrain and len(encodings) < 2:
            raise UserError(
                f"model={self.name}: the FM that it starts from takes 2 or more fields, and the "
                "data has 1; choose another model, or model.pretrain=false"
            )


@settings("ipnn", "pnn")
@dataclass
class InnerProductSettings(DeepSettings):
    """A deep model with inner products in its first layer."""

    product: str = option(
        "inner products: factorised as in 2016, or all pairs in full as in 2018",
        choices=INNER_PRODUCTS,
    )


@settings("wide_deep")
@dataclass
class WideDeepSettings(DeepSettings):
    """A deep model with crosses of fields beside it."""

    crosses: list[list[str]] = option("crosses of fields, [[C1, C2], [C1, C3, C4]]")
    cross_min_count: int = option("training rows a cross must occur in to have an id", ge=1)
    cross_buckets: int | None = option("hash each cross to so many ids; null: a vocabulary", ge=1)

    def crossing(self) -> Crosses:
        return Crosses(self.crosses, self.cross_min_count, self.cross_buckets)


class NeedsTwoFields(ModelSettings):
    """Those of a model that needs two fields or more."""

    def check_fields(self, encodings: dict[str, str]) -> None:
        self._ask_for(2, len(encodings))


@settings("fm", "ffm")
@dataclass
class PairSettings(NeedsTwoFields, FactorisedSettings):
    """A factorisation machine of the pairs of fields."""


@settings("deepfm", "fm_dnn")
@dataclass
class DeepPairSettings(NeedsTwoFields, DeepSettings):
    """A factorisation machine of the pairs of fields beside a multilayer perceptron."""


@settings("fwfm")
@dataclass
class FwFMSettings(NeedsTwoFields, NetworkSettings, FactorisedSettings):
    """A factorisation machine with a weight for every pair of fields."""

    linear: str = option(
        "first-order terms: lw, a weight a feature; felv or filv, the embedding times a vector of "
        "the feature or of its field",
        choices=("lw", "felv", "filv"),
    )


@settings("fmfm")
@dataclass
class FmFMSettings(NeedsTwoFields, NetworkSettings, FactorisedSettings):
    """A factorisation machine with a vector or a matrix for every pair of fields."""

    field_weights: str = option(
        "weight of the interaction of two fields: a vector or a matrix", choices=FIELD_WEIGHTS[1:]
    )


@settings("afm")
@dataclass
class AFMSettings(NeedsTwoFields, NetworkSettings, FactorisedSettings):
    """A factorisation machine that attends to its pairs."""

    attention_dim: int = option("units of the attention network", ge=1)
    attention_dropout: float = option("probability of dropping an attention weight", ge=0, lt=1)
    interaction_dropout: float = option(
        "probability of dropping a coordinate of the pooled interactions", ge=0, lt=1
    )


@settings("hofm")
@dataclass
class HOFMSettings(FactorisedSettings):
    """A factorisation machine of a higher order."""

    order: int = option("highest order of the interactions", ge=2)
    shared: bool = option("one embedding for all orders; false: one for each")

    def check_fields(self, encodings: dict[str, str]) -> None:
        self._ask_for(self.order, len(encodings))
