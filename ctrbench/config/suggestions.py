"""Suggestions for an unknown key."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ctrbench.config.refusals import GROUPS
from ctrbench.data.settings import DataSettings
from ctrbench.settings import classes_with, closest, nearest

SECTIONS = ("data", "model", "optimizer", "trainer", "split")  # of a run's options
TOGETHER = (
    "options that change together: a file DIR/experiment/NAME.yaml for each setting, swept by "
    "--config-dir DIR experiment=A,B; or an option with the value of another, KEY=${OTHER.KEY}"
)
_verb_keys: ContextVar[tuple[str, ...]] = ContextVar("beside", default=())


@contextmanager
def suggesting_keys(settings: Any, prefix: str = "") -> Iterator[None]:
    """Suggest the keys of a verb too, for a key that a run does not have."""
    token = _verb_keys.set(tuple(f"{prefix}{field.name}" for field in fields(settings)))
    try:
        yield
    finally:
        _verb_keys.reset(token)


def describe_unknown_key(key: str, node: DictConfig) -> str:
    """Return one line for a key that a node of a run's config does not have."""
    name = key.rpartition(".")[2]
    if key.startswith("hydra."):
        return f"{key}: no such key; a setting that has none yet is added by +{key}=VALUE"
    siblings = [own for own in map(str, node) if own not in (name, "hydra")]
    cls: Any = OmegaConf.get_type(node)
    layouts = classes_with(name, DataSettings) if issubclass(cls, DataSettings) else []
    if layouts and not cls.registered:
        listed = ", ".join(layouts)
        return f"{key}: these rows have no layout; begin their YAML file with defaults: [{listed}]"
    if layouts and "path" not in siblings:
        what = f"data={cls.registered} reads no file; name the layout"
        return f"{key}: {what}: data={', '.join(layouts)}"
    if layouts:
        return f"{key}: no such key of these rows; it is one of data={', '.join(layouts)}"
    if key == f"pretraining.{name}" and "run" not in node:  # tuned values of a stage may be there
        return f"{key}: this model has no pre-training"
    names = dict(zip(siblings, siblings, strict=True))
    if key == name:
        names = _options(node) | names
    close = closest(name, names)
    hint = nearest(name, siblings) if close is None else f"did you mean {names[close]}?"
    together = f"; {TOGETHER}" if close is None and key == name else ""
    return f"{key}: no such key; {hint}{together}"


def _options(config: DictConfig) -> dict[str, str]:
    """Return the nested keys of a config by their last part; of several the first."""
    values: Any = OmegaConf.to_container(config)
    nested = [key for name in SECTIONS for key in dotted_keys(values.get(name), name)]
    return {key.rpartition(".")[2]: key for key in (*reversed(nested), *_verb_keys.get(), *GROUPS)}


def dotted_keys(value: Any, path: str) -> Iterator[str]:
    """Yield the dotted keys of a nested value below a path."""
    if not isinstance(value, dict):
        yield path
        return
    for key, item in value.items():
        yield from dotted_keys(item, f"{path}.{key}")
