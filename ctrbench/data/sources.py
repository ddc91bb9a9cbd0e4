"""The registry of sources: a settings class gives the source that reads it."""

from collections.abc import Iterator
from typing import Any, Protocol

import polars as pl

from ctrbench.data.criteo import Criteo
from ctrbench.data.movielens import MovieLens
from ctrbench.data.planted import Planted
from ctrbench.data.schema import Column
from ctrbench.data.settings import (
    CriteoSettings,
    DataSettings,
    MovieLensSettings,
    PlantedSettings,
)


class Source(Protocol):
    """Raw rows."""

    columns: tuple[Column, ...]

    def fingerprint(self) -> str:
        """A hash of the content of the rows."""
        ...

    def slices(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Frames of ``label`` (0 or 1), the columns and, where known, ``truth``; each with the
        part it belongs to, or ``all`` where the split is still to be made."""
        ...


SOURCES: dict[type[DataSettings], Any] = {
    CriteoSettings: Criteo,
    MovieLensSettings: MovieLens,
    PlantedSettings: Planted,
}


def open_source(settings: DataSettings) -> Source:
    """The source of a data set.

    Raises:
        UserError: if its files are missing or its settings contradict each other.
    """
    source: Source = SOURCES[type(settings)](settings)
    return source
