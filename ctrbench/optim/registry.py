"""The registry of optimizers: a settings class selects the function that builds one."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from ctrbench.components import Component, add_component
from ctrbench.layers.embedding import Embedding
from ctrbench.optim.base import Optimizer
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.registry import Registry

Builder = Callable[[nn.Module, Any], Optimizer]
B = TypeVar("B", bound=Builder)
BUILDERS: Registry[type[OptimizerSettings], Builder] = Registry("ctrbench.optim")
builds = BUILDERS.register  # decorates the function that builds the optimizer of a settings class


def register_optimizer(name: str, settings: type[OptimizerSettings]) -> Callable[[B], B]:
    """Register a function of your own that builds an optimizer, to be chosen by ``optimizer=NAME``.

    The function takes a model and the settings, and returns a :class:`ctrbench.Optimizer` over all
    parameters of the model.

    Args:
        settings: its options, a dataclass that derives from :class:`ctrbench.OptimizerSettings`
            and is registered for no other optimizer. An option of its own has a default.

    Raises:
        UserError: for a name that is taken, or settings that are not typed.
    """

    def enter(builder: B) -> B:
        entries = ((BUILDERS, settings, builder),)
        component = Component("optimizer", name, settings, builder.__module__, entries)
        add_component(component, OptimizerSettings)
        return builder

    return enter


def build(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Build the optimizer of the settings over all parameters of a model."""
    return BUILDERS.entries()[type(settings)](model, settings)


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the embedding tables, and all other parameters."""
    tables = [m.weight for m in model.modules() if isinstance(m, Embedding)]
    table_ids = {id(table) for table in tables}
    return tables, [p for p in model.parameters() if id(p) not in table_ids]
