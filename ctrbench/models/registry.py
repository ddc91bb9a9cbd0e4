"""The registry of models: a name selects a class, its settings and its place in tables."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.errors import UserError
from ctrbench.layers.initialization import starting_from
from ctrbench.layers.settings import INIT_NETWORK, NetworkSettings
from ctrbench.models.properties import Properties
from ctrbench.models.settings.base import ModelSettings
from ctrbench.registry import import_all
from ctrbench.settings import nearest


class Model(nn.Module):
    """Base class of the models: built from a schema and settings, a model returns logits.

    A model knows nothing of devices, optimizers or files.

    Attributes:
        name: in the registry, as its YAML file carries it.
        settings: the class of its settings.
        properties: what it is, for tables and for experiments.
        order: its place among the rows of a table, which no other has: those of the DeepFM paper
            first, then by when they were published (2019.8).
        version: of its formula; it is part of a run's identity, and raised when the formula or the
            initial weights are changed.
    """

    name: ClassVar[str]
    settings: ClassVar[type[ModelSettings]]
    properties: ClassVar[Properties]
    order: ClassVar[float]
    version: ClassVar[int]

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        """Return the logits B of a batch of feature ids and the values of value fields."""
        raise NotImplementedError

    def parts(self) -> dict[str, nn.Module]:
        """Return the parts with an optimizer of their own: none, or ``wide`` and ``deep``."""
        return {}


M = TypeVar("M", bound=type[Model])
_REGISTRY: dict[str, type[Model]] = {}


def register(
    name: str,
    settings: type[ModelSettings],
    properties: Properties,
    *,
    order: float,
    version: int = 1,
) -> Callable[[M], M]:
    """Register a model class under the name that its YAML file has; see :class:`Model`.

    Raises:
        ValueError: if the name is taken.
    """

    def enter(cls: M) -> M:
        if name in _REGISTRY:
            raise ValueError(f"the model name {name} is used twice")
        cls.name, cls.settings, cls.properties = name, settings, properties
        cls.order, cls.version = order, version
        _REGISTRY[name] = cls
        return cls

    return enter


def names() -> list[str]:
    """Return the names of all models, in the order of tables."""
    import_all("ctrbench.models")
    return sorted(_REGISTRY, key=lambda name: _REGISTRY[name].order)


def settings_of() -> dict[str, type[ModelSettings]]:
    """Return the settings class of every model."""
    return {name: _REGISTRY[name].settings for name in names()}


def model_class(name: str) -> type[Model]:
    """Return the class of a registered model."""
    import_all("ctrbench.models")
    return _REGISTRY[name]


def properties_of(name: str) -> Properties:
    """Return the properties of a registered model."""
    return model_class(name).properties


def having(words: Iterable[str]) -> list[str]:
    """Return the models that have all of the given properties, in the order of tables.

    Args:
        words: properties that are either true or not (``compared``), options (``model.dropout``:
            those that have it), or ``all``.

    Raises:
        UserError: for a word that is neither.
    """
    options = {
        name: {f"model.{field.name}" for field in fields(_REGISTRY[name].settings)}
        for name in names()
    }
    flags = [field.name for field in fields(Properties) if field.type is bool]
    known = {"all", *flags, *set().union(*options.values())}
    found = names()
    for word in words:
        if word not in known:
            raise UserError(f"{word}: no property of models; {nearest(word, known)}")
        if word in flags:
            found = [name for name in found if getattr(_REGISTRY[name].properties, word)]
        elif word != "all":
            found = [name for name in found if word in options[name]]
    return found


def able(names: Iterable[str], history: object) -> list[str]:
    """Return the models that can be trained on rows with, or without, a history."""
    return [name for name in names if history or not properties_of(name).sequential]


def find(settings: ModelSettings) -> type[Model]:
    """Return the class of the model that ``settings.name`` names.

    Raises:
        UserError: for an unknown name, or that of a model with other settings.
    """
    known = names()
    if settings.name not in known:
        raise UserError(f"model.name={settings.name}: not known; {nearest(settings.name, known)}")
    cls = _REGISTRY[settings.name]
    if type(settings) is not cls.settings:
        raise UserError(
            f"model.name={settings.name}: its settings are {cls.settings.__name__}, these are "
            f"{type(settings).__name__}; choose it with model={settings.name}"
        )
    return cls


def build(schema: Schema, settings: ModelSettings) -> Model:
    """Build the model that ``settings.name`` names, with weights from torch's global generator."""
    cls: Any = find(settings)
    start = settings.init_network if isinstance(settings, NetworkSettings) else INIT_NETWORK[0]
    with starting_from(start):
        model: Model = cls(schema, settings)
    return model
