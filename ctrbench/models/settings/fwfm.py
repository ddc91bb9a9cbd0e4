"""The settings and properties of FwFM and FmFM."""

from dataclasses import dataclass

from ctrbench.layers.settings import FIELD_WEIGHTS, NetworkSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings, NeedsTwoFields
from ctrbench.settings import option


@declare(
    "fwfm",
    Properties(
        "FwFM",
        "Pan et al. 2018",
        "https://arxiv.org/abs/1806.03514",
        "factorisation",
        low_order=True,
    ),
    order=2018.3,
)
@dataclass
class FwFMSettings(NeedsTwoFields, NetworkSettings, FactorisedSettings):
    """A factorisation machine with a weight for every pair of fields."""

    linear: str = option(
        "first-order terms: lw, a weight a feature; felv or filv, the embedding times a vector of "
        "the feature or of its field",
        choices=("lw", "felv", "filv"),
    )


@declare(
    "fmfm",
    Properties(
        "FmFM",
        "Sun et al. 2021",
        "https://arxiv.org/abs/2102.12994",
        "factorisation",
        low_order=True,
    ),
    order=2021.2,
)
@dataclass
class FmFMSettings(NeedsTwoFields, NetworkSettings, FactorisedSettings):
    """A factorisation machine with a vector or a matrix for every pair of fields."""

    field_weights: str = option(
        "weight of the interaction of two fields: a vector or a matrix", choices=FIELD_WEIGHTS[1:]
    )
