"""The settings and properties of LR."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import ModelSettings


@declare(
    "lr",
    Properties(
        "LR",
        "McMahan et al. 2013",
        "https://doi.org/10.1145/2487575.2488200",
        "linear",
        low_order=True,
        compared=True,
        cited=True,
    ),
    order=10,
)
@dataclass
class LRSettings(ModelSettings):
    """A model with first-order weights alone."""
