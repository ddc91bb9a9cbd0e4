"""The settings and properties of CIN and xDeepFM."""

from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.layers.settings import MLPSettings, NetworkSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, FactorisedSettings
from ctrbench.settings import option


@dataclass
class _Maps(NetworkSettings):
    cin_maps: list[int] = option(
        "feature maps of each layer of the compressed interaction network (CIN)", ge=1
    )

    def validate(self) -> None:
        """Refuse a network without layers."""
        if not self.cin_maps:
            raise UserError("model.cin_maps=[]: give the maps of a layer at least")


@declare(
    "cin",
    Properties(
        "CIN",
        "Lian et al. 2018",
        "https://arxiv.org/abs/1803.05170",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2018.6,
)
@dataclass
class CINSettings(_Maps, FactorisedSettings):
    """A compressed interaction network."""


@declare(
    "xdeepfm",
    Properties(
        "xDeepFM",
        "Lian et al. 2018",
        "https://arxiv.org/abs/1803.05170",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2018.7,
)
@dataclass
class XDeepFMSettings(_Maps, DeepSettings):
    """A compressed interaction network beside a multilayer perceptron."""

    def validate(self) -> None:
        _Maps.validate(self)
        MLPSettings.validate(self)
