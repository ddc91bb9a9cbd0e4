"""Registries fill themselves: what stands in a room's modules is entered as they are imported.

So are components from outside the package, see :mod:`ctrbench.components`.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Generic, TypeVar

from ctrbench.extensions import import_installed

Key = TypeVar("Key")
Entry = TypeVar("Entry")
E = TypeVar("E")


@cache
def import_all(package: str) -> None:
    """Import every module of a package, once."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


class Registry(Generic[Key, Entry]):
    """Entries by key, which decorators in the modules of a package register.

    Args:
        package: its modules are imported before the first entry is looked up.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self._entries: dict[Key, Entry] = {}

    def register(self, key: Key) -> Callable[[E], E]:
        """Return a decorator that registers a class or function under a key.

        Raises:
            ValueError: if the key is taken.
        """

        def enter(entry: E) -> E:
            self.add(key, entry)  # type: ignore[arg-type]  # a subclass of what is declared
            return entry

        return enter

    def add(self, key: Key, entry: Entry) -> None:
        """Register an entry; a :class:`ValueError` if the key is taken."""
        if key in self._entries:
            raise ValueError(f"{key} is registered twice in {self.package}")
        self._entries[key] = entry

    def remove(self, key: Key) -> None:
        """Remove an entry."""
        del self._entries[key]

    def has(self, key: Key) -> bool:
        """Return whether a key is taken."""
        import_all(self.package)
        return key in self._entries

    def entries(self) -> dict[Key, Entry]:
        """Return all entries."""
        import_all(self.package)
        import_installed()
        return self._entries
