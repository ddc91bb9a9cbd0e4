"""The settings and properties of AFM."""

from dataclasses import dataclass

from ctrbench.layers.settings import NetworkSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings, NeedsTwoFields
from ctrbench.settings import option


@declare(
    "afm",
    Properties(
        "AFM",
        "Xiao et al. 2017",
        "https://arxiv.org/abs/1708.04617",
        "attention",
        low_order=True,
        high_order=True,
    ),
    order=2017.65,
)
@dataclass
class AFMSettings(NeedsTwoFields, NetworkSettings, FactorisedSettings):
    """A factorisation machine that attends to its pairs."""

    attention_dim: int = option("units of the attention network", ge=1)
    attention_dropout: float = option("probability of dropping an attention weight", ge=0, lt=1)
    interaction_dropout: float = option(
        "probability of dropping a coordinate of the pooled interactions", ge=0, lt=1
    )
