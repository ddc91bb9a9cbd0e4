"""The keys of a command's words ``KEY=VALUE``, with or without Hydra's ``+``, ``++`` and ``~``."""

from collections.abc import Iterable


def key_of(word: str) -> str:
    """The key of one word."""
    return word.partition("=")[0].lstrip("+~")


def keys_of(words: Iterable[str]) -> set[str]:
    """The keys that words give."""
    return set(map(key_of, words))


def given(words: Iterable[str]) -> dict[str, str]:
    """The value of each key as it is written; of several the last, as Hydra takes it."""
    return {key_of(word): word.partition("=")[2] for word in words}


def without(key: str, words: Iterable[str]) -> list[str]:
    """The words that do not give a key."""
    return [word for word in words if key_of(word) != key]
