"""The settings and properties of DIN."""

from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.layers.settings import MLPSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, NeedsHistory
from ctrbench.settings import option


@declare(
    "din",
    Properties(
        "DIN",
        "Zhou et al. 2018",
        "https://arxiv.org/abs/1706.06978",
        "attention",
        high_order=True,
        sequential=True,
    ),
    order=2018.5,
)
@dataclass
class DINSettings(NeedsHistory, DeepSettings):
    """Attention of a row to its past, and a multilayer perceptron."""

    attention_hidden: list[int] = option("widths of the attention network's hidden layers", ge=1)

    def validate(self) -> None:
        """Refuse networks without layers."""
        MLPSettings.validate(self)
        if not self.attention_hidden:
            raise UserError("model.attention_hidden=[]: give the width of a layer at least")
