"""The settings and properties of DNN."""

from dataclasses import dataclass

from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings


@declare(
    "dnn",
    Properties(
        "DNN",
        "Covington et al. 2016",
        "https://doi.org/10.1145/2959100.2959190",
        "network",
        high_order=True,
    ),
    order=2016.7,
)
@dataclass
class DNNSettings(DeepSettings):
    """A multilayer perceptron alone."""
