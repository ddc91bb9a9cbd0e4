"""Settings of the models, by what they are made of."""

from dataclasses import dataclass

from ctrbench.data.settings import Crosses
from ctrbench.errors import UserError
from ctrbench.layers.settings import INNER_PRODUCTS, MLPSettings
from ctrbench.settings import option, settings


@dataclass
class ModelSettings:
    """What every model has, and what it asks of the rooms around it."""

    name: str = option("name in the registry of models")

    def crossing(self) -> Crosses | None:
        """The crosses that the data layer is to make; None for a model that takes none."""
        return None

    def pretraining(self) -> bool:
        """Whether the model starts from the weights of another, the stage ``pretraining``."""
        return False


@settings("linear")
@dataclass
class LinearSettings(ModelSettings):
    """A model with first-order weights alone."""


@settings("factorised")
@dataclass
class FactorisedSettings(ModelSettings):
    """A model with an embedding for every feature."""

    embedding_dim: int = option("K, the length of an embedding", ge=1)
    init_std: float = option("standard deviation of the initial embeddings", gt=0)


@settings("convolutional")
@dataclass
class ConvolutionalSettings(FactorisedSettings):
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


@settings("deep")
@dataclass
class DeepSettings(MLPSettings, FactorisedSettings):
    """A model with a multilayer perceptron."""


@settings("pretrained")
@dataclass
class PretrainedSettings(DeepSettings):
    """A deep model that starts from a factorisation machine."""

    pretrain: bool = option("start from a trained FM; false: from random weights")

    def pretraining(self) -> bool:
        return self.pretrain


@settings("product")
@dataclass
class ProductSettings(DeepSettings):
    """A deep model with inner products in its first layer."""

    product: str = option(
        "inner products: factorised (PNN, 2016), or all pairs in full (2018)",
        choices=INNER_PRODUCTS,
    )


@settings("crossed")
@dataclass
class CrossedSettings(DeepSettings):
    """A deep model with crosses of fields beside it."""

    crosses: list[list[str]] = option("crosses of fields: [[C1, C2], [C1, C3, C4]]")
    cross_min_count: int = option("training rows a cross must occur in to have an id", ge=1)
    cross_buckets: int | None = option("hash each cross to so many ids; null: a vocabulary", ge=1)

    def crossing(self) -> Crosses:
        return Crosses(self.crosses, self.cross_min_count, self.cross_buckets)
