"""The settings and properties of FNN."""

from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings
from ctrbench.settings import option


@declare(
    "fnn",
    Properties(
        "FNN",
        "Zhang et al. 2016",
        "https://arxiv.org/abs/1601.02376",
        "network",
        high_order=True,
        pretraining=True,
        compared=True,
        cited=True,
    ),
    order=50,
)
@dataclass
class FNNSettings(DeepSettings):
    """A deep model that starts from a factorisation machine."""

    pretrain: bool = option("start from the weights of a trained FM; false: from random ones")

    def pretraining(self) -> bool:
        return self.pretrain

    def check_fields(self, encodings: dict[str, str]) -> None:
        if self.pretrain and len(encodings) < 2:
            raise UserError(
                f"model={self.name}: the FM that it starts from takes 2 or more fields, and the "
                "data has 1; choose another model, or model.pretrain=false"
            )
