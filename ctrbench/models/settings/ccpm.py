"""The settings and properties of CCPM."""

from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.layers.settings import NetworkSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings
from ctrbench.settings import option


@declare(
    "ccpm",
    Properties(
        "CCPM",
        "Liu et al. 2015",
        "https://doi.org/10.1145/2806416.2806603",
        "convolution",
        high_order=True,
        cited=True,
    ),
    order=40,
)
@dataclass
class CCPMSettings(NetworkSettings, FactorisedSettings):
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
