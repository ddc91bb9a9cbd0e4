"""The registry of optimizers: a settings class gives what builds it."""

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
    """Enter a function of a model and of settings of this class.

    Raises:
        ValueError: if the class has one.
    """

    def enter(builder: B) -> B:
        if settings in _REGISTRY:
            raise ValueError(f"{settings.__name__} builds two optimizers")
        _REGISTRY[settings] = builder
        return builder

    return enter


def build(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """The optimizer of the settings' class, over all parameters of the model.

    Raises:
        UserError: for an optimizer of parts that the model does not have.
    """
    import_all("ctrbench.optim")
    return _REGISTRY[type(settings)](model, settings)


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The embedding tables, and all other parameters."""
    tables = [m.weight for m in model.modules() if isinstance(m, Embedding)]
    known = {id(table) for table in tables}
    return tables, [p for p in model.parameters() if id(p) not in known]
