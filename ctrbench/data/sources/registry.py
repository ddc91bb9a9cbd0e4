"""The registry of sources: a settings class gives the source that reads it."""

from typing import Any

from ctrbench.data.settings import DataSettings
from ctrbench.data.sources.base import Source
from ctrbench.registry import Registry

SOURCES: Registry[type[DataSettings], Any] = Registry("ctrbench.data.sources")
reads = SOURCES.register  # decorates the source that reads rows of a settings class


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
