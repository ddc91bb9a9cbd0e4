"""The settings and properties of CrossNet-V2, DCN-V2 and GDCN."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import STRUCTURE, DeepSettings, FactorisedSettings
from ctrbench.models.settings.dcn import CrossLayersSettings
from ctrbench.settings import option


@dataclass
class _Mixture(CrossLayersSettings):
    rank: int | None = option("rank of the experts of a cross layer; null: one full matrix", ge=1)
    experts: int = option("low-rank experts of a cross layer, where model.rank is given", ge=1)


@declare(
    "crossnet_v2",
    Properties(
        "CrossNet-V2",
        "Wang et al. 2021",
        "https://arxiv.org/abs/2008.13535",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2021.3,
)
@dataclass
class CrossNetV2Settings(_Mixture, FactorisedSettings):
    """A cross network of full matrices, or of experts of a low rank, alone."""


@declare(
    "dcnv2",
    Properties(
        "DCN-V2",
        "Wang et al. 2021",
        "https://arxiv.org/abs/2008.13535",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2021.4,
)
@dataclass
class DCNV2Settings(_Mixture, DeepSettings):
    """A cross network of full or low-rank matrices and a multilayer perceptron."""

    structure: str = option(STRUCTURE, choices=("parallel", "stacked"))


@declare(
    "gdcn",
    Properties(
        "GDCN",
        "Wang et al. 2023",
        "https://arxiv.org/abs/2311.04635",
        "cross network",
        low_order=True,
        high_order=True,
    ),
    order=2023.8,
)
@dataclass
class GDCNSettings(CrossLayersSettings, DeepSettings):
    """A gated cross network and a multilayer perceptron."""

    structure: str = option(STRUCTURE, choices=("parallel", "stacked"))
