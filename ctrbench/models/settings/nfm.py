"""The settings and properties of NFM."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, NeedsTwoFields
from ctrbench.settings import option


@declare(
    "nfm",
    Properties(
        "NFM",
        "He & Chua 2017",
        "https://arxiv.org/abs/1708.05027",
        "pooling network",
        low_order=True,
        high_order=True,
    ),
    order=2017.6,
)
@dataclass
class NFMSettings(NeedsTwoFields, DeepSettings):
    """A multilayer perceptron over pooled pairs."""

    interaction_dropout: float = option(
        "probability of dropping a coordinate of the pooled interactions", ge=0, lt=1
    )
