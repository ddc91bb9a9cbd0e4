"""The settings and properties of EDCN."""

from dataclasses import dataclass

from ctrbench.layers.settings import HiddenSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings
from ctrbench.models.settings.dcn import CrossLayersSettings
from ctrbench.settings import option


@declare(
    "edcn",
    Properties(
        "EDCN",
        "Chen et al. 2021",
        "https://doi.org/10.1145/3459637.3481915",
        "cross network",
        high_order=True,
    ),
    order=2021.9,
    version=2,
)
@dataclass
class EDCNSettings(CrossLayersSettings, HiddenSettings, FactorisedSettings):
    """A cross and a deep network of as many layers, with bridges between them."""

    bridge: str = option(
        "how cross and deep network are joined after each layer",
        choices=("hadamard", "addition", "concatenation"),
    )
    temperature: float | None = option(
        "temperature of the regulation modules; null: no such modules", gt=0
    )
    batch_norm: bool = option("batch normalisation of what either network gets of the last layer")
