"""Patterns of names in declarations: ``C*`` stands for all columns whose names begin with C."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from ctrbench.errors import UserError
from ctrbench.settings import nearest

WILDCARD = "*"
T = TypeVar("T")


def is_pattern(name: str, names: Collection[str]) -> bool:
    """Return whether a declared name stands for several; one that a column has is a plain name."""
    return WILDCARD in name and name not in names


def is_named(name: str, declared: Iterable[str]) -> bool:
    """Return whether a name is among declared ones, or matches a pattern among them."""
    return any(
        name == own or (WILDCARD in own and _expression(own).fullmatch(name)) for own in declared
    )


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split(WILDCARD))), re.DOTALL)


def matching(key: str, pattern: str, names: Collection[str]) -> list[str]:
    """Return the names that a pattern matches, in which ``*`` stands for any text.

    Args:
        key: the option, for the message.

    Raises:
        UserError: if it matches none.
    """
    expression = _expression(pattern)
    found = [name for name in names if expression.fullmatch(name)]
    if not found:
        hint = nearest(pattern.replace(WILDCARD, ""), names)
        raise UserError(f"{key}={pattern}: matches no name; {hint}")
    return found


def resolve_patterns(key: str, declared: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    """Return declarations by names, of those that are by patterns too: the most specific one wins,
    a name before patterns, and a pattern of more characters before one of fewer.

    Raises:
        UserError: for a pattern without a match, and for two equally specific ones that differ.
    """
    resolved = {name: value for name, value in declared.items() if not is_pattern(name, names)}
    patterns = [name for name in declared if is_pattern(name, names)]
    chosen_by: dict[str, str] = {}
    for pattern in sorted(patterns, key=_specificity, reverse=True):
        for name in matching(key, pattern, names):
            if name in chosen_by:
                _refuse_tie(key, name, pattern, chosen_by[name], declared)
            elif name not in declared:
                chosen_by[name] = pattern
    return resolved | {name: declared[chosen_by[name]] for name in names if name in chosen_by}


def _specificity(pattern: str) -> int:
    return len(pattern.replace(WILDCARD, ""))


def _refuse_tie(
    key: str, name: str, pattern: str, other: str, declared: Mapping[str, object]
) -> None:
    is_tie = _specificity(pattern) == _specificity(other)
    if is_tie and declared[pattern] != declared[other]:
        raise UserError(
            f"{key}: {name} is declared by {other} and by {pattern}, which differ; declare it by "
            "its name"
        )


def expand_names(key: str, declared: Iterable[str], names: Collection[str]) -> list[str]:
    """Return names with patterns replaced by what they match, each name once."""
    expanded = list[str]()
    for name in declared:
        expanded += matching(key, name, names) if is_pattern(name, names) else [name]
    return list(dict.fromkeys(expanded))
