"""The default of every option, as help shows it: the values in the YAML files of each choice."""

import re
from collections import Counter
from functools import cache
from posixpath import dirname, join
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import MISSING, OmegaConf

from ctrbench.config.compose import compose, initialized_hydra, options_in
from ctrbench.config.keys import key_of

MOST = 3  # other choices that are named with their values
USUAL = {"data": "table"}  # where the choice by default has no such option
REFERENCE = re.compile(r"\$\{([\w.]+)\}")
Values = dict[str, Any]


class Defaults:
    """The values of the YAML files, by key and choice."""

    def __init__(self) -> None:
        self.base = compose([])
        self.chosen = self.base.hydra.runtime.choices

    @cache  # noqa: B019  one object for a page of help
    def _of_group(self, group: str) -> dict[str, Values]:
        with initialized_hydra() as loader:
            names = options_in(group, loader)
            return {name: file_values(f"/{group}/{name}", group, loader) for name in names}

    def text(self, group: str, path: str, key: str, choices: list[str]) -> str:
        """Return the default of an option as ``(default: ...)``; empty if no file has a value.

        Args:
            group: whose choice gives the value; of pre-training that is the model.
            path: of the group's keys in the config, ``trainer.schedule`` for ``schedule``.
            key: with its path.
            choices: that have the option in this meaning; none: not known.
        """
        name = key if path == "pretraining" else f"{group}{key.removeprefix(path)}"
        by_choice = {
            choice: self._shown(values[name])
            for choice, values in self._of_group(group).items()
            if name in values and (choice in choices or not choices)
        }
        if not by_choice:
            parent = key.rpartition(".")[0]
            is_known = OmegaConf.select(self.base, parent) is not None
            return f" (default: {value_text(OmegaConf.select(self.base, key))})" if is_known else ""
        most = Counter(by_choice.values()).most_common()[0][0]
        default = by_choice.get(self.chosen.get(group)) or by_choice.get(USUAL.get(group, ""), most)
        others = [f"{choice} {value}" for choice, value in by_choice.items() if value != default]
        more = f"; {', '.join(others)}" if len(others) <= MOST else "; others by choice"
        return f" (default: {default}{more if others else ''})"

    def of_run(self, key: str) -> str:
        """Return the default of an option of the run itself; a chosen file by its name."""
        choice = self.chosen.get(key)
        is_choice = key in self.chosen
        value = (choice if choice is None else str(choice)) if is_choice else self.base.get(key)
        return f" (default: {value_text(value)})"

    def _shown(self, value: Any) -> str:
        """Return a value as help shows it; a reference to another option as that option's value."""
        match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if match is not None and (other := OmegaConf.select(self.base, match[1])) is not None:
            value = other
        return value_text(value)


def value_text(value: Any) -> str:
    """Return a value as an override has it."""
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(value_text, value))}]"
    return str(value)


def file_values(path: str, package: str, loader: ConfigLoader) -> Values:
    """Return the values of a YAML file and of the files in its defaults list, by dotted keys.

    Args:
        package: where they stand in the config, unless the file says otherwise.
    """
    sources = (source for source in loader.get_sources() if source.is_config(path.lstrip("/")))
    source = next(sources, None)
    if source is None:
        return {}
    file = source.load_config(path.lstrip("/"))
    package = "" if file.header.get("package") == "_global_" else package
    values: Values = {}
    content: Any = OmegaConf.to_container(file.config)
    for entry in content.pop("defaults", ()):
        for name, choice in ({entry: None} if isinstance(entry, str) else entry).items():
            if name != "_self_" and not name.startswith(("override ", "optional ")):
                target, _, part = name.partition("@")
                file_path = join(dirname(path), target) + (f"/{choice}" if choice else "")
                values |= file_values(file_path, _package(package, part, target), loader)
    return values | _flat(content, package)


def _package(around: str, part: str, target: str) -> str:
    if part == "_here_":
        return around
    return ".".join(filter(None, [around, part or key_of(dirname(target).lstrip("/"))]))


def _flat(value: Any, path: str) -> Values:
    if not isinstance(value, dict) or not value:
        return {} if value == MISSING else {path.lstrip("."): value}
    values: Values = {}
    for key, item in value.items():
        values |= _flat(item, f"{path}.{key}")
    return values
