"""The registry of models: a name gives a class."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.errors import UserError
from ctrbench.models.settings import LinearSettings
from ctrbench.settings import nearest


class Model(nn.Module):
    """What every model is: built from a schema and its settings, it gives logits.

    It knows nothing of device, optimizer or files.
    """

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        """Logits, B, of a batch of feature ids and of the values of value fields."""
        raise NotImplementedError


Builder = Callable[[Schema, LinearSettings], Model]
M = TypeVar("M", bound=type[Model])
_REGISTRY: dict[str, Builder] = {}


def register(name: str) -> Callable[[M], M]:
    """Enter a model class under the name that its YAML file carries.

    Raises:
        ValueError: if the name is taken.
    """

    def enter(cls: M) -> M:
        if name in _REGISTRY:
            raise ValueError(f"the model name {name} is used twice")
        _REGISTRY[name] = cls
        return cls

    return enter


def names() -> list[str]:
    """All models, found by importing every module beside this one."""
    package = importlib.import_module("ctrbench.models")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"ctrbench.models.{module.name}")
    return sorted(_REGISTRY)


def build(schema: Schema, settings: LinearSettings) -> Model:
    """The model that ``settings.name`` names, with fresh weights from torch's global generator."""
    known = names()
    if settings.name not in known:
        raise UserError(f"model.name={settings.name}: not known; {nearest(settings.name, known)}")
    return _REGISTRY[settings.name](schema, settings)
