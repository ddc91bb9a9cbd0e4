"""The reference of all keys, made from the settings classes themselves."""

import dataclasses
from collections.abc import Iterator
from posixpath import dirname, join
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.default_element import ConfigDefault
from omegaconf import OmegaConf

from ctrbench.command.composition.compose import hydra_here
from ctrbench.command.composition.refused import NAMES
from ctrbench.command.words import line_of, meaning
from ctrbench.runs.settings import RunSettings
from ctrbench.training.schedule import ScheduleSettings
from ctrbench.training.settings import StageSettings, TrainerSettings

TOLD = ("pretraining.tuned", "trainer.schedule.KEY", "data.download")
FEW = 4  # choices, which are named beside a key that they alone have
Key = tuple[str, str]  # and its meaning


def options() -> str:
    """Every key with its meaning: those of the run itself, then those of each group."""
    fields = [field for field in dataclasses.fields(RunSettings) if field.name != "experiment"]
    groups: dict[str, Any] = {f.name: f.type for f in fields if dataclasses.is_dataclass(f.type)}
    groups["pretraining"] = StageSettings
    lines = ["run:"]
    lines += [line_of(f.name, meaning(f)) for f in fields if f.name not in groups]
    for name, base in groups.items():
        lines += _group(name, name, base)
        if base is TrainerSettings:
            lines += _group("schedule", "trainer.schedule", ScheduleSettings)
    lines += ["", "Values, and what each choice sets: ctrbench train --cfg job [KEY=VALUE ...]"]
    return "\n".join(lines)


def _group(name: str, path: str, base: Any) -> list[str]:
    """What there is to choose, and the keys."""
    with hydra_here() as loader:
        choices = sorted(loader.repository.get_group_options(name))
        extended = {choice: _extended(f"/{name}/{choice}", loader) for choice in choices}
    having = {choice: set(_keys(cls)) for choice, cls in extended.items() if cls is not None}
    lines = [f"{name}={'|'.join(choices)}" if len(choices) > 1 else f"{name}:"]
    for key, doc in dict.fromkeys(key for cls in _classes(base) for key in _keys(cls)):
        if not _is_told(f"{path}.{key}"):
            whose = [choice for choice in choices if (key, doc) in having.get(choice, ())]
            few = 0 < len(whose) <= FEW and len(whose) < len(choices)
            lines.append(line_of(f"{path}.{key}", f"{doc} ({', '.join(whose)})" if few else doc))
    return lines


def _is_told(key: str) -> bool:
    """By a group's file alone, and no option; or by a group of its own."""
    return NAMES.fullmatch(key) is not None or key in TOLD


def _keys(cls: Any) -> Iterator[Key]:
    """The keys of a class; of what has a group's keys (``optimizer.wide``) one line for all."""
    for field in dataclasses.fields(cls):
        doc = meaning(field)
        if not dataclasses.is_dataclass(field.type):
            yield field.name, doc
        elif field.default_factory is dataclasses.MISSING:  # a group gives its values
            yield f"{field.name}.KEY", doc
        else:
            yield from ((f"{field.name}.{key}", doc) for key, doc in _keys(field.type))


def _classes(base: Any) -> Iterator[Any]:
    """A class and all that extend it."""
    yield base
    for child in base.__subclasses__():
        yield from _classes(child)


def _extended(path: str, loader: ConfigLoaderImpl) -> Any:
    """The settings class that a YAML file extends, by itself or by a file that it begins with."""
    file = loader.repository.load_config(path.lstrip("/"))
    if file is None or path.startswith("/settings/"):
        return file and OmegaConf.get_type(file.config)
    defaults = [one for one in file.defaults_list or () if isinstance(one, ConfigDefault)]
    found = (_extended(join(dirname(path), one.path or ""), loader) for one in defaults)
    return next(filter(None, found), None)
