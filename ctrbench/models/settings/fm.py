"""The settings and properties of FM."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings, NeedsTwoFields


@declare(
    "fm",
    Properties(
        "FM",
        "Rendle 2010",
        "https://doi.org/10.1109/ICDM.2010.127",
        "factorisation",
        low_order=True,
        compared=True,
        cited=True,
    ),
    order=20,
)
@dataclass
class FMSettings(NeedsTwoFields, FactorisedSettings):
    """A factorisation machine of the pairs of fields."""
