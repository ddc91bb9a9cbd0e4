"""Words by Hydra's grammar: which have one value, and what the lists of others stand for."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from ctrbench.command.composition.compose import hydra_here
from ctrbench.command.composition.keys import key_of


def parsed(words: list[str]) -> list[Override]:
    """Each of them, read."""
    with hydra_here() as loader:  # it knows what glob() stands for
        return OverridesParser.create(loader).parse_overrides(words)


def fixed(words: list[str]) -> list[str]:
    """Those that have one value."""
    both = zip(words, parsed(words), strict=True)
    return [word for word, override in both if not override.is_sweep_override()]


def values_of(key: str, words: list[str]) -> list[str]:
    """The values that words give a key: one, those of a list, or none where they give none."""
    for override in reversed(parsed(words)):
        if key_of(override.get_key_element()) == key:
            several = override.is_discrete_sweep()
            values = override.sweep_string_iterator() if several else [override.value()]
            return list(map(str, values))
    return []
