"""The registry of sources: a settings class gives the source that reads it."""

from collections.abc import Callable
from typing import Any, TypeVar

from ctrbench.components import Component, add_component
from ctrbench.data.settings import DataSettings
from ctrbench.data.sources.base import Source
from ctrbench.registry import Registry

S = TypeVar("S", bound=type[Source])
SOURCES: Registry[type[DataSettings], Any] = Registry("ctrbench.data.sources")
reads = SOURCES.register  # decorates the source that reads rows of a settings class


def register_source(name: str, settings: type[DataSettings]) -> Callable[[S], S]:
    """Register a data layout of your own, a class of source, to be chosen by ``data=NAME``.

    Args:
        settings: its options, a dataclass that derives from :class:`ctrbench.DataSettings`, or, of
            rows in files, from :class:`ctrbench.FileSettings`, and is registered for no other
            layout. An option of its own has a default.

    Raises:
        UserError: for a name that is taken, or settings that are not typed.
    """

    def enter(cls: S) -> S:
        entries = ((SOURCES, settings, cls),)
        add_component(Component("data", name, settings, cls.__module__, entries), DataSettings)
        return cls

    return enter


def source_class(settings: DataSettings) -> Any:
    """Return the class of the source of a data set."""
    return SOURCES.entries()[type(settings)]


def open_source(settings: DataSettings, *, by_time: bool = False) -> Source:
    """Open the source of a data set, and check what can be checked without reading all rows.

    Args:
        by_time: whether the rows are to be split by time.
    """
    source: Source = source_class(settings)(settings)
    source.by_time = by_time
    source.check()
    return source
