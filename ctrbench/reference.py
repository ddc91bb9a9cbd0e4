"""The reference of all keys, made from the settings classes themselves."""

import dataclasses
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from ctrbench.compose import CONF

GROUPS = {
    "model": ["linear", "factorised", "deep", "pretrained", "product", "crossed", "convolutional"],
    "data": ["criteo", "table", "libsvm", "movielens", "planted"],
    "optimizer": ["adam", "adagrad", "ftrl", "joint"],
    "split": ["split"],
    "trainer": ["trainer"],
    "pretraining": ["stage"],
    "": ["run"],
}


def options() -> str:
    """Every key with its type and meaning."""
    lines = ["usage: ctrbench train [-m] [--cfg job] [KEY=VALUE ...]", ""]
    for group, names in GROUPS.items():
        if group:
            choices = sorted(path.stem for path in (Path(CONF) / group).glob("*.yaml"))
            lines += [f"{group}={'|'.join(choices)}"]
        seen: set[str] = set()
        for name in names:
            for field in dataclasses.fields(_schema(name)):
                if field.name not in seen and field.name != "name" and field.type is not Any:
                    seen.add(field.name)
                    if "doc" in field.metadata and not _is_group(field.name):
                        key = f"{group}.{field.name}" if group else field.name
                        lines.append(f"  {key:24}{field.metadata['doc']}")
    lines += ["", "Values, and what each choice sets: ctrbench train --cfg job [KEY=VALUE ...]"]
    return "\n".join(lines)


def _is_group(name: str) -> bool:
    return name in GROUPS


def _schema(name: str) -> Any:
    node: Any = ConfigStore.instance().load(f"settings/{name}.yaml").node
    return node._metadata.object_type
