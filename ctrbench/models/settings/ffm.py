"""The settings and properties of FFM."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings, NeedsTwoFields


@declare(
    "ffm",
    Properties(
        "FFM",
        "Juan et al. 2016",
        "https://doi.org/10.1145/2959100.2959134",
        "factorisation",
        low_order=True,
        cited=True,
    ),
    order=30,
)
@dataclass
class FFMSettings(NeedsTwoFields, FactorisedSettings):
    """A factorisation machine with an embedding of a field for every other field."""
