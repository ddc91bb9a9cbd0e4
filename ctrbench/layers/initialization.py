"""The distribution of the initial weights of linear maps."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

from ctrbench.layers.settings import INIT_NETWORK

_chosen: ContextVar[str] = ContextVar("init_network", default=INIT_NETWORK[0])


@contextmanager
def starting_from(init_network: str) -> Iterator[None]:
    """Initialise what is built within the block by a name of
    :data:`ctrbench.layers.settings.INIT_NETWORK`."""
    before = _chosen.set(init_network)
    try:
        yield
    finally:
        _chosen.reset(before)


def glorot_(weight: Tensor, *, inputs: int, outputs: int) -> Tensor:
    """Initialise the weights of linear maps in place, in any shape: mean 0 and variance
    2 / (inputs + outputs) (Glorot & Bengio, AISTATS 2010, eq. 16)."""
    if _chosen.get() == "glorot_normal":
        return weight.normal_(std=(2 / (inputs + outputs)) ** 0.5)
    bound = (6 / (inputs + outputs)) ** 0.5
    return weight.uniform_(-bound, bound)
