"""The registry of sources: a settings class gives the source that reads it."""

from collections.abc import Callable
from typing import Any, TypeVar

from ctrbench.data.settings import DataSettings
from ctrbench.data.sources.base import Source
from ctrbench.registry import import_all

S = TypeVar("S", bound=type[Source])
_REGISTRY: dict[type[DataSettings], Any] = {}


def reads(settings: type[DataSettings]) -> Callable[[S], S]:
    """Register a source under the class of its settings.

    Raises:
        ValueError: if the class has one.
    """

    def enter(cls: S) -> S:
        if settings in _REGISTRY:
            raise ValueError(f"{settings.__name__} is read by two sources")
        _REGISTRY[settings] = cls
        return cls

    return enter


def source_class(settings: DataSettings) -> Any:
    """Return the class of the source of a data set."""
    import_all("ctrbench.data.sources")
    return _REGISTRY[type(settings)]


def open_source(settings: DataSettings, *, by_time: bool = False) -> Source:
    """Open the source of a data set, and check what can be checked without reading all rows.

    Args:
        by_time: whether the rows are to be split by time.
    """
    source: Source = source_class(settings)(settings)
    source.by_time = by_time
    source.check()
    return source
