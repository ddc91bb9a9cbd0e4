"""The settings and properties of LR & DNN, Wide & Deep and FM & DNN."""

from dataclasses import dataclass, replace

from ctrbench.data.settings import Crosses
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, NeedsTwoFields
from ctrbench.settings import option

LR_DNN = Properties(
    "LR & DNN",
    "Guo et al. 2017",
    "https://arxiv.org/abs/1703.04247",
    "wide & deep",
    low_order=True,
    high_order=True,
    compared=True,
    cited=True,
)


@declare(
    "wide_deep",
    Properties(
        "Wide & Deep",
        "Cheng et al. 2016",
        "https://arxiv.org/abs/1606.07792",
        "wide & deep",
        low_order=True,
        high_order=True,
        feature_engineering=True,
        cited=True,
    ),
    order=90,
)
@dataclass
class WideDeepSettings(DeepSettings):
    """A deep model with crosses of fields beside it."""

    crosses: list[list[str]] = option("crosses of fields, [[C1, C2], [C1, C3, C4]]")
    cross_min_count: int = option("training rows a cross must occur in to have an id", ge=1)
    cross_buckets: int | None = option("hash each cross to so many ids; null: a vocabulary", ge=1)

    def crossing(self) -> Crosses:
        return Crosses(self.crosses, self.cross_min_count, self.cross_buckets)


@declare("lr_dnn", LR_DNN, order=100)
@dataclass
class LRDNNSettings(DeepSettings):
    """First-order weights beside a multilayer perceptron."""


@declare("fm_dnn", replace(LR_DNN, title="FM & DNN"), order=110)
@dataclass
class FMDNNSettings(NeedsTwoFields, DeepSettings):
    """A factorisation machine and a multilayer perceptron, each over embeddings of its own."""
