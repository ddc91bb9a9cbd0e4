"""The keys of overrides ``KEY=VALUE``, with or without Hydra's ``+``, ``++`` and ``~``."""

from collections.abc import Iterable


def key_of(word: str) -> str:
    """Return the key of an override."""
    return word.partition("=")[0].lstrip("+~")


def keys_of(words: Iterable[str]) -> set[str]:
    """Return the keys of overrides."""
    return set(map(key_of, words))


def values_by_key(words: Iterable[str]) -> dict[str, str]:
    """Return the value of each key as it is written; the last one counts, as in Hydra."""
    return {key_of(word): word.partition("=")[2] for word in words}


def drop_key(key: str, words: Iterable[str]) -> list[str]:
    """Return the overrides of all other keys."""
    return [word for word in words if key_of(word) != key]
