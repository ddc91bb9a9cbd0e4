"""The settings and properties of DeepFM."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, NeedsTwoFields


@declare(
    "deepfm",
    Properties(
        "DeepFM",
        "Guo et al. 2017",
        "https://arxiv.org/abs/1703.04247",
        "wide & deep",
        low_order=True,
        high_order=True,
        compared=True,
        cited=True,
    ),
    order=120,
)
@dataclass
class DeepFMSettings(NeedsTwoFields, DeepSettings):
    """A factorisation machine beside a multilayer perceptron over the same embeddings."""
