"""The registry of optimizers: a settings class selects the function that builds one."""

from collections.abc import Callable
from typing import Any

from torch import nn

from ctrbench.layers.embedding import Embedding
from ctrbench.optim.base import Optimizer
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.registry import Registry

Builder = Callable[[nn.Module, Any], Optimizer]
BUILDERS: Registry[type[OptimizerSettings], Builder] = Registry("ctrbench.optim")
builds = BUILDERS.register  # decorates the function that builds the optimizer of a settings class


def build(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Build the optimizer of the settings over all parameters of a model."""
    return BUILDERS.entries()[type(settings)](model, settings)


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the embedding tables, and all other parameters."""
    tables = [m.weight for m in model.modules() if isinstance(m, Embedding)]
    table_ids = {id(table) for table in tables}
    return tables, [p for p in model.parameters() if id(p) not in table_ids]
