"""The reference of all options, generated from the settings classes."""

import dataclasses
from collections.abc import Iterator
from posixpath import dirname, join
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import OmegaConf

from ctrbench.command.defaults import Defaults
from ctrbench.command.option_text import describe, format_option
from ctrbench.config.compose import initialized_hydra, options_in
from ctrbench.config.refusals import NAMES
from ctrbench.config.settings import RunSettings
from ctrbench.training.schedule import ScheduleSettings
from ctrbench.training.settings import PretrainingSettings, TrainerSettings

EXCLUDED = ("pretraining.tuned", "trainer.schedule.KEY", "data.download")
MAX_NAMED_CHOICES = 4  # choices, which are named beside a key that they alone have
Key = tuple[str, str]  # and its meaning


def option_reference() -> str:
    """Return every option with its description: those of the run itself, then those of each
    group."""
    fields = [field for field in dataclasses.fields(RunSettings) if field.name != "experiment"]
    groups: dict[str, Any] = {f.name: f.type for f in fields if dataclasses.is_dataclass(f.type)}
    groups["pretraining"] = PretrainingSettings
    lines, defaults = ["run:"], Defaults()
    for field in fields:
        if field.name not in groups:
            lines.append(format_option(field.name, describe(field) + defaults.of_run(field.name)))
    for name, base in groups.items():
        lines += _group(name, name, base, defaults)
        if base is TrainerSettings:
            lines += _group("schedule", "trainer.schedule", ScheduleSettings, defaults)
    lines += ["", "What each choice sets: ctrbench train --cfg job [KEY=VALUE ...]"]
    return "\n".join(lines)


def _group(name: str, path: str, base: Any, defaults: Defaults) -> list[str]:
    """Return the choices and the options of a group."""
    with initialized_hydra() as loader:
        choices = options_in(name, loader)
        extended = {choice: _extended_class(f"/{name}/{choice}", loader) for choice in choices}
    having = {choice: set(_keys(cls)) for choice, cls in extended.items() if cls is not None}
    lines = [f"{name}={'|'.join(choices)}" if len(choices) > 1 else f"{name}:"]
    for key, doc in dict.fromkeys(key for cls in _classes(base) for key in _keys(cls)):
        if not _is_excluded(f"{path}.{key}"):
            whose = [choice for choice in choices if (key, doc) in having.get(choice, ())]
            few = 0 < len(whose) <= MAX_NAMED_CHOICES and len(whose) < len(choices)
            text = f"{doc} ({', '.join(whose)})" if few else doc
            group = "model" if name == "pretraining" else name
            is_one = not key.endswith(".KEY")
            default = defaults.text(group, path, f"{path}.{key}", whose) if is_one else ""
            lines.append(format_option(f"{path}.{key}", text + default))
    return lines


def _is_excluded(key: str) -> bool:
    """Return whether an option is set by choosing a file, or belongs to a group of its own."""
    return NAMES.fullmatch(key) is not None or key in EXCLUDED


def _keys(cls: Any) -> Iterator[Key]:
    """Yield the options of a class; those of a nested group (``optimizer.wide``) as one line."""
    for field in dataclasses.fields(cls):
        doc = describe(field)
        if not dataclasses.is_dataclass(field.type):
            yield field.name, doc
        elif field.default_factory is dataclasses.MISSING:  # a group gives its values
            yield f"{field.name}.KEY", doc
        else:
            yield from ((f"{field.name}.{key}", doc) for key, doc in _keys(field.type))


def _classes(base: Any) -> Iterator[Any]:
    """Yield a class and all its subclasses."""
    yield base
    for child in base.__subclasses__():
        yield from _classes(child)


def _extended_class(path: str, loader: ConfigLoader) -> Any:
    """Return the settings class that a YAML file extends, directly or through its defaults list."""
    file = load_file(path, loader)
    if file is None or path.startswith("/settings/"):
        return file and OmegaConf.get_type(file)
    names = [name.partition("@")[0] for name in file.get("defaults", ()) if isinstance(name, str)]
    classes = (_extended_class(join(dirname(path), name), loader) for name in names)
    return next(filter(None, classes), None)


def load_file(path: str, loader: ConfigLoader) -> Any:
    """Return a YAML file or a registered settings class as it stands; None if there is none."""
    sources = (source for source in loader.get_sources() if source.is_config(path.lstrip("/")))
    source = next(sources, None)
    return None if source is None else source.load_config(path.lstrip("/")).config
