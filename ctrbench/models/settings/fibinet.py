"""The settings and properties of FiBiNET."""

from dataclasses import dataclass

from ctrbench.layers.settings import BILINEAR
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, NeedsTwoFields
from ctrbench.settings import option


@declare(
    "fibinet",
    Properties(
        "FiBiNET",
        "Huang et al. 2019",
        "https://arxiv.org/abs/1905.09433",
        "product network",
        low_order=True,
        high_order=True,
    ),
    order=2019.7,
)
@dataclass
class FiBiNETSettings(NeedsTwoFields, DeepSettings):
    """Bilinear interactions of fields and of fields that are weighted by their importance."""

    bilinear: str = option(
        "a bilinear matrix for all pairs of fields, each field or each pair (interaction)",
        choices=BILINEAR,
    )
    reduction: float = option("reduction ratio of the SENET layer: fields over its units", gt=0)
    shared: bool = option(
        "the same bilinear matrices for the fields and for the weighted ones",
        default=False,
        neutral=False,
    )
