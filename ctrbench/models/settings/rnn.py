"""The settings and properties of RNN."""

from dataclasses import dataclass

from ctrbench.layers.settings import NetworkSettings
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import FactorisedSettings, NeedsHistory
from ctrbench.settings import option


@dataclass
class StateSettings(NetworkSettings):
    """A recurrent layer."""

    state_dim: int = option("hidden units of the recurrent layer", ge=1)


@declare(
    "rnn",
    Properties(
        "RNN",
        "Zhang et al. 2014",
        "https://arxiv.org/abs/1404.5772",
        "recurrent network",
        high_order=True,
        sequential=True,
    ),
    order=2014.5,
)
@dataclass
class RNNSettings(NeedsHistory, StateSettings, FactorisedSettings):
    """A recurrent layer alone."""
