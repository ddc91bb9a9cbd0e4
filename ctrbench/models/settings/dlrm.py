"""The settings and properties of DLRM."""

from dataclasses import dataclass

from ctrbench.data.settings import VALUE_ENCODINGS
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings
from ctrbench.settings import option


@declare(
    "dlrm",
    Properties(
        "DLRM",
        "Naumov et al. 2019",
        "https://arxiv.org/abs/1906.00091",
        "product network",
        high_order=True,
    ),
    order=2019.4,
)
@dataclass
class DLRMSettings(DeepSettings):
    """Inner products of the embeddings and of a vector of all values."""

    bottom: list[int] = option("widths of the bottom network, over fields fed as a value", ge=1)
    bottom_dropout: float = option(
        "probability of dropping a unit of the bottom network", ge=0, lt=1
    )
    interaction: str = option(
        "dot: inner products of the vectors; cat: the vectors themselves", choices=("dot", "cat")
    )

    def check_fields(self, encodings: dict[str, str]) -> None:
        values = sum(encoding in VALUE_ENCODINGS for encoding in encodings.values())
        self._ask_for(1, len(encodings) - values, "fields that are not fed as a value")
        if self.interaction == "dot":
            vectors = len(encodings) - values + (values > 0)
            self._ask_for(2, vectors, "vectors (a field's, or that of all fields fed as a value)")
