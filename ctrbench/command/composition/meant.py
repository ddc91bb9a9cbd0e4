"""Suggestions for an unknown key."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ctrbench.data.settings import DataSettings
from ctrbench.settings import classes_with, closest, nearest

SECTIONS = ("data", "model", "optimizer", "trainer", "split")  # of a run's options
_beside: ContextVar[tuple[str, ...]] = ContextVar("beside", default=())


@contextmanager
def beside(settings: Any, prefix: str = "") -> Iterator[None]:
    """Within, the keys of a verb may be meant too."""
    token = _beside.set(tuple(f"{prefix}{field.name}" for field in fields(settings)))
    try:
        yield
    finally:
        _beside.reset(token)


def no_such_key(key: str, node: DictConfig) -> str:
    """One line for a key that a node of a run's config does not have."""
    name = key.rpartition(".")[2]
    known = [own for own in map(str, node) if own not in (name, "hydra")]
    cls: Any = OmegaConf.get_type(node)
    layouts = classes_with(name, DataSettings) if issubclass(cls, DataSettings) else []
    if layouts and not cls.registered:
        listed = ", ".join(layouts)
        return f"{key}: these rows have no layout; begin their YAML file with defaults: [{listed}]"
    if layouts and "path" not in known:
        what = f"data={cls.registered} reads no file; name the layout"
        return f"{key}: {what}: data={', '.join(layouts)}"
    if layouts:
        return f"{key}: no such key of these rows; it is one of data={', '.join(layouts)}"
    if key == f"pretraining.{name}" and "run" not in node:  # tuned values of a stage may be there
        return f"{key}: this model has no pre-training"
    names = dict(zip(known, known, strict=True))
    if key == name:
        names = _options(node) | names
    close = closest(name, names)
    hint = nearest(name, known) if close is None else f"did you mean {names[close]}?"
    return f"{key}: no such key; {hint}"


def _options(config: DictConfig) -> dict[str, str]:
    """The nested keys of a command by their last part: of several the first."""
    values: Any = OmegaConf.to_container(config)
    nested = [key for name in SECTIONS for key in leaves(values.get(name), name)]
    choices = OmegaConf.select(config, "hydra.runtime.choices") or ()  # not in a job of a sweep
    groups = [key for key in choices if key.isalpha()]
    return {key.rpartition(".")[2]: key for key in (*reversed(nested), *_beside.get(), *groups)}


def leaves(value: Any, path: str) -> Iterator[str]:
    """The dotted keys of a value, nested as it is, below a path."""
    if not isinstance(value, dict):
        yield path
        return
    for key, item in value.items():
        yield from leaves(item, f"{path}.{key}")
