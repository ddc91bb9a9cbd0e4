"""Typed settings: dataclasses say which keys exist, ``conf/`` says their values.

A settings class stands beside what it configures and is registered under a name. The YAML file of
a component extends it (``defaults: [/settings/NAME@...]``), so that Hydra itself refuses an unknown
key or a wrong type while it composes. What a type cannot say (ranges, choices) stands in
:func:`option` and is enforced by :func:`check`. Nothing here, nor in any ``settings.py``, imports
torch, so that a mistyped command is answered at once.
"""

import dataclasses
import difflib
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from ctrbench.errors import UserError

T = TypeVar("T")
SHOWN = 20  # names in one line at most
_NO_VALUE = object()
_REGISTERED: dict[str, type] = {}
NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]+")


def option(
    doc: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: tuple[str, ...] | None = None,
    named: bool = False,
    default: Any = MISSING,
    default_factory: Callable[[], Any] | None = None,
    affects_result: bool = True,
    neutral: Any = _NO_VALUE,
) -> Any:
    """A documented dataclass field without a value (the YAML gives it), and its limits.

    The limits of a list hold for each of its items. What concerns several fields is checked by the
    dataclass's own ``validate``.

    Args:
        named: a part of paths: letters, digits, ``-``, ``_`` and ``.``.
        affects_result: whether a result can depend on it; what cannot is left out of
            :func:`identity_settings`.
        neutral: the value, as :func:`identity_settings` gives it, with which all is as before the
            option existed. It is left out too, so that a new option changes the identity of no
            older run.
    """
    limits = {"ge": ge, "gt": gt, "le": le, "lt": lt, "choices": choices, "named": named}
    about = {"doc": doc, "affects_result": affects_result, "neutral": neutral, **limits}
    if default_factory is not None:
        return dataclasses.field(default_factory=default_factory, metadata=about)
    return dataclasses.field(default=default, metadata=about)


def identity_settings(section: Any) -> dict[str, Any]:
    """The values that a result depends on, nested ones too, for a hash of them: all but those
    declared ``affects_result=False`` and those that are neutral."""
    found = {}
    for field in dataclasses.fields(section):
        if field.metadata.get("affects_result", True):
            value = getattr(section, field.name)
            value = identity_settings(value) if dataclasses.is_dataclass(value) else value
            if value != field.metadata.get("neutral", _NO_VALUE):
                found[field.name] = value
    return found


def neutral(registered: str) -> dict[str, Any]:
    """Return the neutral values of a registered class, which :func:`identity_settings` leaves out;
    none of a name that is not registered."""
    cls = _REGISTERED.get(registered)
    fields = () if cls is None else dataclasses.fields(cls)
    values = {field.name: field.metadata.get("neutral", _NO_VALUE) for field in fields}
    return {name: value for name, value in values.items() if value is not _NO_VALUE}


def settings_class(registered: str) -> type[Any]:
    """Return the class registered under a name."""
    return _REGISTERED[registered]


def digest(values: Any) -> str:
    """A short name for values that JSON can say: a hash of them."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings_from(registered: str, values: dict[str, Any]) -> Any:
    """Settings of the class registered under a name, from plain values."""
    schema = ConfigStore.instance().load(f"settings/{registered}.yaml").node
    return OmegaConf.to_object(OmegaConf.merge(schema, values))


def settings(*names: str) -> Callable[[type[T]], type[T]]:
    """Register a settings dataclass as ``/settings/NAME`` for the YAML files to extend.

    Args:
        names: of all components that have these settings.

    Raises:
        ValueError: if a name is taken.
    """

    def register(cls: type[T]) -> type[T]:
        for name in names:
            if name in _REGISTERED:
                raise ValueError(f"the settings {name} are registered twice")
            if "registered" not in vars(cls):
                cls.registered = name  # type: ignore[attr-defined]
            _REGISTERED[name] = cls
            ConfigStore.instance().store(group="settings", name=name, node=cls)
        return cls

    return register


def registered_class(name: str) -> type | None:
    """Return the settings class that is registered under a name; None if there is none."""
    return _REGISTERED.get(name)


def unregister(name: str) -> None:
    """Remove the settings class that is registered under a name."""
    del _REGISTERED[name]
    del ConfigStore.instance().repo["settings"][f"{name}.yaml"]


def extending(base: type[T]) -> dict[str, type[T]]:
    """Registered subclasses of `base`, by name."""
    return {name: cls for name, cls in _REGISTERED.items() if issubclass(cls, base)}


def classes_with(key: str, base: type) -> list[str]:
    """Names of registered subclasses of `base` that have the option `key`."""
    classes: dict[str, Any] = extending(base)
    return [name for name, cls in classes.items() if key in cls.__dataclass_fields__]


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name closest to a word; None where none is close."""
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)), None)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the closest known name, or all of them where none is close."""
    names = sorted(known)
    if not names:
        return "there is none here"
    close = closest(word, names)
    shown = names[:SHOWN] + (["..."] if len(names) > SHOWN else [])
    return f"did you mean {close}?" if close else f"known here: {', '.join(shown)}"


def check(section: Any, path: str = "") -> None:
    """Refuse values outside their limits, in nested settings too.

    Raises:
        UserError: naming the key, its value and what is allowed.
    """
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        key = f"{path}{field.name}"
        if dataclasses.is_dataclass(value):
            check(value, f"{key}.")
        else:
            for item in value if isinstance(value, list) else [value]:
                _check_item(key, item, field.metadata)
    if hasattr(section, "validate"):
        try:
            section.validate()
        except UserError as error:  # it knows its section's key, and not of which stage
            stage = "pretraining." if path.startswith("pretraining.") else ""
            raise type(error)(f"{stage}{error}") from None


_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "ge": ("at least", lambda value, bound: value >= bound),
    "gt": ("more than", lambda value, bound: value > bound),
    "le": ("at most", lambda value, bound: value <= bound),
    "lt": ("less than", lambda value, bound: value < bound),
}


def _check_item(key: str, value: Any, limits: Any) -> None:
    if value is None:
        return
    if value == "":
        raise UserError(f"{key}=: is empty; leave it out or give a value ({limits['doc']})")
    if limits.get("named") and not NAME.fullmatch(value):
        raise UserError(f"{key}={value}: not a name; use letters, digits, '-', '_' and '.'")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{key}={value}: not a finite number; give one ({limits['doc']})")
    choices = limits.get("choices")
    if choices and value not in choices:
        raise UserError(f"{key}={value}: not known; {nearest(str(value), choices)}")
    for name, (words, holds) in _LIMITS.items():
        bound = limits.get(name)
        if bound is not None and not holds(value, bound):  # NaN holds nowhere
            raise UserError(f"{key}={value}: must be {words} {bound:g} ({limits['doc']})")
