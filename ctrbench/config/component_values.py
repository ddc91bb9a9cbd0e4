"""Values of the options of components from outside the package, as a YAML file would give them.

An option that a component declares has its own default; one that it inherits has that of the
package, from the files below. A YAML file of the user's, ``GROUP/NAME.yaml``, comes before these
values; it takes them over by ``defaults: [/values/NAME@GROUP]``.
"""

import dataclasses
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from ctrbench.components import COMPONENTS, Component, activate, active_folder, components_of
from ctrbench.errors import UserError

INHERITED = {  # files of conf/, by the group of a component
    "model": ("shared/embedding", "shared/mlp"),
    "optimizer": ("optimizer/adam",),
    "data": ("shared/files", "shared/encoding"),
}
VALUES = "values"  # the group whose files a YAML file of the user's takes over
_STORED: dict[tuple[str, str], Component] = {}


def store_components(conf: Path, folder: Path | None) -> None:
    """Let Hydra find the components that are registered, and no others.

    Args:
        conf: the folder of the package's YAML files.
        folder: that of the user's, whose files come before these values.
    """
    wanted = {(VALUES, name): component for name, component in COMPONENTS.items()}
    for name, component in COMPONENTS.items():
        if folder is None or not (folder / component.group / f"{name}.yaml").is_file():
            wanted[component.group, name] = component
    for key, component in list(_STORED.items()):
        if wanted.get(key) is not component:
            group, name = key
            del _STORED[key], ConfigStore.instance().repo[group][f"{name}.yaml"]
    for group, name in wanted.keys() - _STORED.keys():
        _STORED[group, name] = component = wanted[group, name]
        node = {"defaults": [f"/settings/{name}@_here_", "_self_"], **_values(component, conf)}
        ConfigStore.instance().store(name=name, node=node, group=group)


def refuse_names_of_files(conf: Path) -> None:
    """Refuse a component of the user's folder whose name is that of a YAML file of the package."""
    code = active_folder()
    for component in [] if code is None else components_of(code.package):
        name = Path(component.group, f"{component.name}.yaml")
        if code is not None and (conf / name).exists():
            activate(None)
            file = Path(*component.module.split(".")[-2:]).with_suffix(".py")
            raise UserError(f"{code.given / file}: the name {component.name} is taken, by {name}")


def _values(component: Component, conf: Path) -> dict[str, Any]:
    """Return the value of each option that has one."""
    inherited: dict[str, Any] = {}
    for file in INHERITED[component.group]:
        inherited |= yaml.safe_load((conf / f"{file}.yaml").read_text())
    values = {}
    for field in dataclasses.fields(component.settings):
        if field.default is MISSING or field.default is dataclasses.MISSING:
            if field.name in inherited and field.default_factory is dataclasses.MISSING:
                values[field.name] = inherited[field.name]
        else:
            values[field.name] = field.default
    return values | {"name": component.name}
