"""The settings and properties of MaskNet."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import STRUCTURE, DeepSettings
from ctrbench.settings import option


@declare(
    "masknet",
    Properties(
        "MaskNet",
        "Wang et al. 2021",
        "https://arxiv.org/abs/2102.07619",
        "masked network",
        high_order=True,
    ),
    order=2021.6,
)
@dataclass
class MaskNetSettings(DeepSettings):
    """Layers whose inputs are multiplied by a mask that the row's embeddings give."""

    structure: str = option(STRUCTURE, choices=("parallel", "serial"))
    mask_blocks: int = option("mask blocks in parallel; in series every hidden layer is one", ge=1)
    mask_units: int = option("units of a mask block in parallel", ge=1)
    mask_ratio: float = option(
        "units of a mask's aggregation layer over the dimension of the mask", gt=0
    )
    embedding_norm: bool = option(
        "layer normalisation of each field's embedding before the first mask"
    )
    layer_norm: bool = option("layer normalisation of a mask block before its activation")
