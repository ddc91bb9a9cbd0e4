"""Overrides in Hydra's grammar: which have one value, and which values the others list."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException

from ctrbench.config.compose import choices, initialized_hydra
from ctrbench.config.explain import quote_override
from ctrbench.config.keys import key_of
from ctrbench.errors import UserError
from ctrbench.settings import nearest


def parse_overrides(words: list[str]) -> list[Override]:
    """Parse overrides."""
    with initialized_hydra() as loader:  # it knows the files that glob() matches
        return OverridesParser.create(loader).parse_overrides(words)


def single_valued(words: list[str]) -> list[str]:
    """Return the overrides that have one value."""
    both = zip(words, parse_overrides(words), strict=True)
    return [word for word, override in both if not override.is_sweep_override()]


def values_of(key: str, words: list[str]) -> list[str]:
    """Return the values that overrides give a key: one, those of a list, or none."""
    for word, override in reversed(list(zip(words, parse_overrides(words), strict=True))):
        if key_of(override.get_key_element()) == key:
            several = override.is_discrete_sweep()
            return values_in(word, override) if several else [str(override.value())]
    return []


def values_in(word: str, override: Override) -> list[str]:
    """Return the values of a list, as an override has them."""
    values = list(map(str, override.sweep_string_iterator()))
    if not values:
        reason = "holds no value; range() ends before its second number"
        if isinstance(override.value(), Glob):
            names = choices(override.key_or_group)
            reason = f"matches none of {override.key_or_group}; {nearest('', names)}"
        raise UserError(f"{word}: {reason}")
    return values


def to_text(value: Any) -> str:
    """Write a value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(to_text, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{to_text(item)}" for key, item in value.items()) + "}"
    return quote_override("", value)[1:] if isinstance(value, str) else str(value)


def item_text(value: Any) -> str:
    """Write an item of a YAML list as one value of an override.

    Text means what it means on the command line (``"[8,8]"`` is a list), unless it would be
    several values there or not be readable: then it is quoted.
    """
    if not isinstance(value, str):
        return to_text(value)
    try:
        is_one = not OverridesParser.create().parse_override(f"key={value}").is_sweep_override()
    except HydraException:
        is_one = False
    return value if is_one else quote_override("", value)[1:]
