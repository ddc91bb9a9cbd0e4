"""The settings and properties of AFN and AFN+."""

from dataclasses import dataclass

from ctrbench.layers.settings import MLPSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, SecondNetworkSettings
from ctrbench.settings import option


@declare(
    "afn",
    Properties(
        "AFN",
        "Cheng et al. 2020",
        "https://arxiv.org/abs/1909.03276",
        "logarithmic network",
        high_order=True,
    ),
    order=2020.1,
)
@dataclass
class AFNSettings(DeepSettings):
    """A multilayer perceptron over products of fields to learnt powers."""

    logarithmic_neurons: int = option("neurons of the logarithmic transformation layer", ge=1)


@declare(
    "afn_plus",
    Properties(
        "AFN+",
        "Cheng et al. 2020",
        "https://arxiv.org/abs/1909.03276",
        "logarithmic network",
        high_order=True,
    ),
    order=2020.2,
)
@dataclass
class AFNPlusSettings(SecondNetworkSettings, AFNSettings):
    """A logarithmic transformation with its perceptron, and a second one over own embeddings."""

    def validate(self) -> None:
        SecondNetworkSettings.validate(self)
        MLPSettings.validate(self)
