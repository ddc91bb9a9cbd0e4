"""The settings and properties of HOFM."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings
from ctrbench.settings import option


@declare(
    "hofm",
    Properties(
        "HOFM",
        "Blondel et al. 2016",
        "https://arxiv.org/abs/1607.07195",
        "factorisation",
        low_order=True,
        high_order=True,
    ),
    order=2016.9,
)
@dataclass
class HOFMSettings(FactorisedSettings):
    """A factorisation machine of a higher order."""

    order: int = option("highest order of the interactions", ge=2)
    shared: bool = option("one embedding for all orders; false: one for each")

    def check_fields(self, encodings: dict[str, str]) -> None:
        self._ask_for(self.order, len(encodings))
