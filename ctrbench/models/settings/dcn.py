"""The settings and properties of CrossNet and DCN."""

from dataclasses import dataclass

from ctrbench.layers.settings import NetworkSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, FactorisedSettings
from ctrbench.settings import option


@dataclass
class CrossLayersSettings(NetworkSettings):
    """A cross network."""

    cross_layers: int = option("layers of the cross network", ge=1)


@declare(
    "crossnet",
    Properties(
        "CrossNet",
        "Wang et al. 2017",
        "https://arxiv.org/abs/1708.05123",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2017.7,
)
@dataclass
class CrossNetSettings(CrossLayersSettings, FactorisedSettings):
    """A cross network alone."""


@declare(
    "dcn",
    Properties(
        "DCN",
        "Wang et al. 2017",
        "https://arxiv.org/abs/1708.05123",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2017.8,
)
@dataclass
class DCNSettings(CrossLayersSettings, DeepSettings):
    """A cross network beside a multilayer perceptron."""
