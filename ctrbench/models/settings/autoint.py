"""The settings and properties of AutoInt and AutoInt+."""

from dataclasses import dataclass

from ctrbench.layers.settings import AttentionSettings, MLPSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, FactorisedSettings
from ctrbench.settings import option


@dataclass
class _Wide:
    wide: bool = option("add a first-order weight for every feature")


@declare(
    "autoint",
    Properties(
        "AutoInt",
        "Song et al. 2019",
        "https://arxiv.org/abs/1810.11921",
        "attention",
        high_order=True,
    ),
    order=2019.8,
)
@dataclass
class AutoIntSettings(_Wide, AttentionSettings, FactorisedSettings):
    """Self-attention between the fields."""


@declare(
    "autoint_plus",
    Properties(
        "AutoInt+",
        "Song et al. 2019",
        "https://arxiv.org/abs/1810.11921",
        "attention",
        high_order=True,
    ),
    order=2019.9,
)
@dataclass
class AutoIntPlusSettings(_Wide, AttentionSettings, DeepSettings):
    """Self-attention between the fields beside a multilayer perceptron."""

    def validate(self) -> None:
        AttentionSettings.validate(self)
        MLPSettings.validate(self)
