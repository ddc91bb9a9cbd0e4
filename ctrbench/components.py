"""Register components from outside the package: models, optimizers and data layouts.

Those of a folder are registered while it is the active one, so that several folders, such as the
code that two runs keep, may have models of the same name.
"""

import importlib
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrbench.component_settings import check_settings_class
from ctrbench.errors import UserError
from ctrbench.extensions import VARIABLE, CodeFolder, read_code
from ctrbench.registry import Registry
from ctrbench.settings import NAME, registered_class, settings, unregister
from ctrbench.source_code import source_digest, source_texts

DECORATORS = {
    "models": ("register", "class"),
    "optimizers": ("register_optimizer", "function"),
    "sources": ("register_source", "class"),
}


@dataclass(frozen=True)
class Component:
    """A model, an optimizer or a data layout from outside the package.

    Attributes:
        group: of YAML files that it can be chosen in: ``model``, ``optimizer`` or ``data``.
        module: that registered it.
        entries: the registries that know it, and its key and entry in each.
    """

    group: str
    name: str
    settings: type
    module: str
    entries: tuple[tuple[Registry[Any, Any], Any, Any], ...]


COMPONENTS: dict[str, Component] = {}


def add_component(component: Component, base: type) -> None:
    """Register a component from outside the package, and its settings.

    Args:
        base: the class that its settings derive from.

    Raises:
        UserError: for a name that is taken or none, or settings that are not typed.
    """
    name, cls = component.name, component.settings
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(f"{name!r}: not a name; use letters, digits, '-', '_' and '.'")
    check_settings_class(cls, base)
    other = COMPONENTS.get(name)
    if other is not None and other.module == component.module == "__main__":
        _remove(other)  # a cell of a notebook that is run again
    elif (taken := registered_class(name)) is not None:
        owner = taken.__module__ if other is None else other.module
        raise UserError(f"the name {name} is taken, by {owner}; choose another name")
    for registry, key, _ in component.entries:
        if registry.has(key):
            raise UserError(f"{cls.__name__}: are the settings of another; derive a class of it")
    _add(component)


def _add(component: Component) -> None:
    settings(component.name)(component.settings)
    for registry, key, entry in component.entries:
        registry.add(key, entry)
    COMPONENTS[component.name] = component


def _remove(component: Component) -> None:
    unregister(component.name)
    for registry, key, _ in component.entries:
        registry.remove(key)
    del COMPONENTS[component.name]


def components_of(module: str) -> list[Component]:
    """Return the components that a module, or a module of a package, has registered."""
    inside = f"{module}."
    return [each for each in COMPONENTS.values() if f"{each.module}.".startswith(inside)]


def component_digest(name: str) -> str:
    """Return a digest of the code of a component; comments, docstrings and layout do not count."""
    return source_digest(source_texts(COMPONENTS[name].module))


def outside_digest(settings_class: type, group: str) -> str | None:
    """Return the digest of the component that has some settings; None of one of the package."""
    for component in COMPONENTS.values():
        if component.group == group and component.settings is settings_class:
            return component_digest(component.name)
    return None


_ACTIVE: list[CodeFolder] = []  # at most one
_INACTIVE: dict[str, list[Component]] = {}


def active_folder() -> CodeFolder | None:
    """Return the folder whose components are registered."""
    return _ACTIVE[0] if _ACTIVE else None


def activate(folder: Path | None) -> None:
    """Register the components of a folder, and no longer those of the folder before.

    Raises:
        UserError: for a file that cannot be imported, registers nothing or a name that is taken.
    """
    _switch(None if folder is None else read_code(folder))


def activate_inherited() -> None:
    """Register the components of the folder that the process which started this one had."""
    if not _ACTIVE and VARIABLE in os.environ:
        activate(Path(os.environ[VARIABLE]))


@contextmanager
def activated(folder: Path | None) -> Iterator[None]:
    """Register the components of another folder for a while; None leaves all as it is."""
    before = active_folder()
    if folder is not None:
        activate(folder)
    try:
        yield
    finally:
        if folder is not None:
            _switch(before)


def _switch(code: CodeFolder | None) -> None:
    if code in _ACTIVE:
        return
    if _ACTIVE:
        package = _ACTIVE.pop().package
        os.environ.pop(VARIABLE, None)
        _INACTIVE[package] = components_of(package)
        for component in _INACTIVE[package]:
            _remove(component)
    if code is None or not code.texts:
        return
    _ACTIVE.append(code)
    os.environ[VARIABLE] = str(code.root)
    for component in _INACTIVE.pop(code.package, []):
        _add(component)
    try:
        for name in code.components:
            _import_file(code, name)
    except UserError:
        _switch(None)
        raise


def _import_file(code: CodeFolder, name: str) -> None:
    module = code.module_of(name)
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever the file does
        raise UserError(_explain(code, name, error)) from error
    if not components_of(module):
        decorator, kind = DECORATORS[Path(name).parts[0]]
        raise UserError(
            f"{code.given / name}: registers nothing; put @ctrbench.{decorator}(NAME, SETTINGS) "
            f"above its {kind}, or, if other files import it, let its name begin with _"
        )


def _explain(code: CodeFolder, name: str, error: Exception) -> str:
    """Return one line for a file that cannot be imported: which file and line, and why."""
    files = {str(code.root / file): file for file in code.texts}
    frames = traceback.extract_tb(error.__traceback__)
    places = [(files[each.filename], each.lineno) for each in frames if each.filename in files]
    if isinstance(error, SyntaxError) and error.filename in files:
        places.append((files[error.filename], error.lineno))
    file, line = places[-1] if places else (name, None)
    where = f"{code.given / file}" + ("" if line is None else f", line {line}")
    if isinstance(error, UserError):
        return f"{where}: {error}"
    reason = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"{where}: cannot be imported ({type(error).__name__}: {reason}); correct the file"
