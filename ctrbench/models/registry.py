"""The registry of models: a name selects settings, properties and a class.

Only :func:`model_class` and :func:`build` import torch.
"""

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ctrbench.errors import UserError
from ctrbench.layers.settings import INIT_NETWORK, NetworkSettings
from ctrbench.models.properties import DECLARATIONS, Declaration, Properties
from ctrbench.models.settings.base import ModelSettings
from ctrbench.settings import nearest

if TYPE_CHECKING:
    from ctrbench.data.schema import Schema
    from ctrbench.models.base import Model


def names() -> list[str]:
    """Return the names of all models, in the order of tables."""
    models = DECLARATIONS.entries()
    return sorted(models, key=lambda name: models[name].order)


def declaration_of(name: str) -> Declaration:
    """Return what is known of a registered model."""
    return DECLARATIONS.entries()[name]


def settings_of() -> dict[str, type[ModelSettings]]:
    """Return the settings class of every model."""
    return {name: declaration_of(name).settings for name in names()}


def properties_of(name: str) -> Properties:
    """Return the properties of a registered model."""
    return declaration_of(name).properties


def having(words: Iterable[str]) -> list[str]:
    """Return the models that have all of the given properties, in the order of tables.

    Args:
        words: properties that are either true or not (``compared``), options (``model.dropout``:
            those that have it), or ``all``.

    Raises:
        UserError: for a word that is neither.
    """
    options = {
        name: {f"model.{field.name}" for field in fields(cls)}
        for name, cls in settings_of().items()
    }
    flags = [field.name for field in fields(Properties) if field.type is bool]
    known = {"all", *flags, *set().union(*options.values())}
    found = names()
    for word in words:
        if word not in known:
            raise UserError(f"{word}: no property of models; {nearest(word, known)}")
        if word in flags:
            found = [name for name in found if getattr(properties_of(name), word)]
        elif word != "all":
            found = [name for name in found if word in options[name]]
    return found


def able(names: Iterable[str], history: object) -> list[str]:
    """Return the models that can be trained on rows with, or without, a history."""
    return [name for name in names if history or not properties_of(name).sequential]


def find(settings: ModelSettings) -> Declaration:
    """Return what is known of the model that ``settings.name`` names.

    Raises:
        UserError: for an unknown name, or that of a model with other settings.
    """
    models = settings_of()
    if settings.name not in models:
        raise UserError(f"model.name={settings.name}: not known; {nearest(settings.name, models)}")
    cls = models[settings.name]
    if type(settings) is not cls:
        raise UserError(
            f"model.name={settings.name}: its settings are {cls.__name__}, these are "
            f"{type(settings).__name__}; choose it with model={settings.name}"
        )
    return declaration_of(settings.name)


def model_class(name: str) -> "type[Model]":
    """Return the class of a registered model."""
    from ctrbench.models.base import CLASSES

    return CLASSES.entries()[name]


def build(schema: "Schema", settings: ModelSettings) -> "Model":
    """Build the model that ``settings.name`` names, with weights from torch's global generator.

    Raises:
        UserError: as :func:`find`.
    """
    from ctrbench.layers.initialization import starting_from

    find(settings)
    cls: Any = model_class(settings.name)
    start = settings.init_network if isinstance(settings, NetworkSettings) else INIT_NETWORK[0]
    with starting_from(start):
        model: Model = cls(schema, settings)
    return model
