"""The registry of sources: a settings class gives the source that reads it."""

from collections.abc import Iterator
from typing import Any, Protocol

from ctrbench.data.criteo import Criteo
from ctrbench.data.libsvm import Libsvm
from ctrbench.data.movielens import MovieLens
from ctrbench.data.planted import Planted
from ctrbench.data.schema import Column, Slice
from ctrbench.data.settings import (
    CriteoSettings,
    DataSettings,
    LibsvmSettings,
    MovieLensSettings,
    PlantedSettings,
    TableSettings,
)
from ctrbench.data.table import Table


class Source(Protocol):
    """Raw rows."""

    columns: tuple[Column, ...]

    def check(self) -> None:
        """Refuse what can be seen to be wrong without reading all rows."""
        ...

    def resolved(self) -> DataSettings:
        """The settings with all that was found out from the rows."""
        ...

    def fingerprint(self) -> str:
        """A hash of the content of the rows."""
        ...

    def slices(self) -> Iterator[Slice]:
        """All rows, labelled."""
        ...


SOURCES: dict[type[DataSettings], Any] = {
    CriteoSettings: Criteo,
    LibsvmSettings: Libsvm,
    MovieLensSettings: MovieLens,
    PlantedSettings: Planted,
    TableSettings: Table,
}


def open_source(settings: DataSettings) -> Source:
    """The source of a data set.

    Raises:
        UserError: if its settings contradict each other.
    """
    source: Source = SOURCES[type(settings)](settings)
    return source
