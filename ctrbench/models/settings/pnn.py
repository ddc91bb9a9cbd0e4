"""The settings and properties of IPNN, PNN* and OPNN."""

from dataclasses import dataclass, replace

from ctrbench.layers.settings import INNER_PRODUCTS
from ctrbench.models.properties import Properties, declare
from ctrbench.models.settings.base import DeepSettings
from ctrbench.settings import option

IPNN = Properties(
    "IPNN",
    "Qu et al. 2016",
    "https://arxiv.org/abs/1611.00144",
    "product network",
    high_order=True,
    compared=True,
    cited=True,
)


@declare("ipnn", IPNN, order=60)
@declare("pnn", replace(IPNN, title="PNN*"), order=80)
@dataclass
class InnerProductSettings(DeepSettings):
    """A deep model with inner products in its first layer."""

    product: str = option(
        "inner products: factorised as in 2016, or all pairs in full as in 2018",
        choices=INNER_PRODUCTS,
    )


@declare("opnn", replace(IPNN, title="OPNN"), order=70)
@dataclass
class OPNNSettings(DeepSettings):
    """A deep model with outer products in its first layer."""
