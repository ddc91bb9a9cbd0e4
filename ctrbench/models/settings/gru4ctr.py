"""The settings and properties of GRU4CTR."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings, NeedsHistory
from ctrbench.models.settings.rnn import StateSettings


@declare(
    "gru4ctr",
    Properties(
        "GRU4CTR",
        "Zhou et al. 2019",
        "https://arxiv.org/abs/1809.03672",
        "recurrent network",
        high_order=True,
        sequential=True,
    ),
    order=2019.1,
)
@dataclass
class GRU4CTRSettings(NeedsHistory, StateSettings, DeepSettings):
    """A recurrent layer over the past, and a multilayer perceptron."""
