"""The reference of all keys, made from the settings classes themselves."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from ctrbench.command.compose import NAMES, choices
from ctrbench.runs.settings import RunSettings
from ctrbench.training.schedule import ScheduleSettings
from ctrbench.training.settings import StageSettings, TrainerSettings


def options() -> str:
    """Every key with its type and meaning."""
    lines = []
    alone = []
    for field in dataclasses.fields(RunSettings):
        base = StageSettings if field.name == "pretraining" else field.type
        if not dataclasses.is_dataclass(base):
            alone.append((field.name, field.metadata["doc"]))
            continue
        lines += _group(field.name, field.name, base)
        if base is TrainerSettings:
            lines += _group("schedule", "trainer.schedule", ScheduleSettings)
    lines += [_line(key, doc) for key, doc in alone if key != "experiment"]
    lines += ["", "Values, and what each choice sets: ctrbench train --cfg job [KEY=VALUE ...]"]
    return "\n".join(lines)


def _group(name: str, path: str, base: Any) -> list[str]:
    """What there is to choose, and its keys."""
    names = choices(name)
    keys = [(f"{path}.{key}", doc) for key, doc in _keys(base)]
    shown = [_line(key, doc) for key, doc in keys if not _is_told(key)]
    return [f"{name}={'|'.join(names)}" if names else f"{name}:", *shown]


def _is_told(key: str) -> bool:
    """By a group's file alone, and no option."""
    return NAMES.fullmatch(key) is not None or key == "pretraining.tuned"


def _line(key: str, doc: str) -> str:
    return f"  {key:26}{doc}"


def _keys(base: Any) -> Iterator[tuple[str, str]]:
    """The keys of a class and of all that extend it, each once; not those that are groups, or of
    one (``optimizer.wide``)."""
    seen = set()
    for cls in (base, *_descendants(base)):
        for field in dataclasses.fields(cls):
            if field.name in seen:
                continue
            seen.add(field.name)
            if not dataclasses.is_dataclass(field.type):
                yield field.name, field.metadata["doc"]
            elif field.default_factory is not dataclasses.MISSING:  # no group gives its values
                yield from ((f"{field.name}.{key}", doc) for key, doc in _keys(field.type))


def _descendants(cls: Any) -> Iterator[Any]:
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)
