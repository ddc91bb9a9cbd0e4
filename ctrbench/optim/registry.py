"""The registry of optimizers: a settings class selects the function that builds one."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from ctrbench.layers.embedding import Embedding
from ctrbench.optim.base import Optimizer
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.registry import import_all

Builder = Callable[[nn.Module, Any], Optimizer]
B = TypeVar("B", bound=Builder)
_REGISTRY: dict[type[OptimizerSettings], Builder] = {}


def builds(settings: type[OptimizerSettings]) -> Callable[[B], B]:
    """Register the function that builds the optimizer of a settings class.

    Raises:
        ValueError: if the class has such a function.
    """

    def register(builder: B) -> B:
        if settings in _REGISTRY:
            raise ValueError(f"{settings.__name__} builds two optimizers")
        _REGISTRY[settings] = builder
        return builder

    return register


def build(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Build the optimizer of the settings over all parameters of a model."""
    import_all("ctrbench.optim")
    return _REGISTRY[type(settings)](model, settings)


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the embedding tables, and all other parameters."""
    tables = [m.weight for m in model.modules() if isinstance(m, Embedding)]
    table_ids = {id(table) for table in tables}
    return tables, [p for p in model.parameters() if id(p) not in table_ids]
