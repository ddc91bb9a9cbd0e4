"""Checks of the settings class of a component from outside the package."""

import dataclasses
import inspect
from typing import Any

from omegaconf import MISSING, OmegaConf

from ctrbench.errors import UserError
from ctrbench.extensions import is_outside

NO_VALUE = (MISSING, dataclasses.MISSING)


def check_settings_class(cls: Any, base: type) -> None:
    """Refuse a settings class with options that would have no type, no default or no effect.

    Args:
        base: the class that it is to derive from.

    Raises:
        UserError: naming the class, and the option.
    """
    if not (isinstance(cls, type) and issubclass(cls, base)):
        name = getattr(cls, "__name__", repr(cls))
        raise UserError(f"{name}: settings are a class that derives from ctrbench.{base.__name__}")
    for own in [
        each for each in cls.__mro__ if issubclass(each, base) and is_outside(each.__module__)
    ]:
        _check_annotations(own)
        _check_defaults(cls, own)
    try:
        OmegaConf.structured(cls)
    except Exception as error:  # of OmegaConf, which has no common class of errors for these
        reason = " ".join(str(error).split())
        raise UserError(f"{cls.__name__}: not a class of typed options ({reason})") from None


def _check_annotations(cls: Any) -> None:
    """Refuse an annotated name that is no option, and a value without an annotation."""
    annotations = inspect.get_annotations(cls)
    options = {field.name for field in dataclasses.fields(cls)}
    for name, kind in annotations.items():
        is_constant = "ClassVar" in str(kind)
        if name not in options and not is_constant:
            raise UserError(f"{cls.__name__}.{name}: is no option; put @dataclass above the class")
    for name, value in vars(cls).items():
        is_method = callable(value) or isinstance(value, property | classmethod | staticmethod)
        if not (name in annotations or name.startswith("_") or is_method or name == "registered"):
            raise UserError(
                f"{cls.__name__}.{name}: has no type; write {name}: TYPE = option(..., default=...)"
            )


def _check_defaults(cls: Any, own: type) -> None:
    """Refuse an option of a class outside the package that has no default."""
    for field in dataclasses.fields(cls):
        is_own = field.name in inspect.get_annotations(own)
        if is_own and field.default in NO_VALUE and field.default_factory is dataclasses.MISSING:
            raise UserError(
                f"{own.__name__}.{field.name}: has no default; write option(..., default=...)"
            )
