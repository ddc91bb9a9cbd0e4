"""The registry of models: a name gives a class, its settings, and its place in tables."""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.errors import UserError
from ctrbench.layers.initial import starting_from
from ctrbench.layers.settings import INIT_NETWORK, NetworkSettings
from ctrbench.models.properties import Properties
from ctrbench.models.settings import ModelSettings
from ctrbench.registry import import_all
from ctrbench.settings import nearest


class Model(nn.Module):
    """What every model is: built from a schema and its settings, it gives logits.

    It knows nothing of device, optimizer or files.

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
        """Logits, B, of a batch of feature ids and of the values of value fields."""
        raise NotImplementedError

    def parts(self) -> dict[str, nn.Module]:
        """Parts that may each have an optimizer of its own: none, or ``wide`` and ``deep``."""
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
    """Enter a model class under the name that its YAML file carries; see :class:`Model`.

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
    """All models in the order of tables, found by importing every module beside this one."""
    import_all("ctrbench.models")
    return sorted(_REGISTRY, key=lambda name: _REGISTRY[name].order)


def settings_of() -> dict[str, type[ModelSettings]]:
    """The class of the settings of every model."""
    return {name: _REGISTRY[name].settings for name in names()}


def properties_of(name: str) -> Properties:
    """What a model of the registry is."""
    import_all("ctrbench.models")
    return _REGISTRY[name].properties


def having(words: Iterable[str]) -> list[str]:
    """The models for which every word holds, in the order of tables.

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
    """Those that can be trained on rows with such a history, or without one where it is false."""
    return [name for name in names if history or not properties_of(name).sequential]


def find(settings: ModelSettings) -> type[Model]:
    """The class that ``settings.name`` names.

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
    """The model that ``settings.name`` names, with fresh weights from torch's global generator."""
    cls: Any = find(settings)
    start = settings.init_network if isinstance(settings, NetworkSettings) else INIT_NETWORK[0]
    with starting_from(start):
        model: Model = cls(schema, settings)
    return model
