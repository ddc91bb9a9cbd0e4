"""Which rows are for training, validation and test."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ctrbench.data.settings import SplitSettings
from ctrbench.errors import UserError

PARTS = ("train", "valid", "test")


def check_fractions(settings: SplitSettings) -> None:
    """Refuse fractions that are not three shares of one whole."""
    fractions = settings.fractions
    if len(fractions) != len(PARTS) or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(
            f"split.fractions={fractions}: give three shares (train, valid, test) that sum to 1"
        )


def by_time(settings: SplitSettings, time_N: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The part of every row by its time: the first for training, the last for test.

    Rows of one time are of one part, the later one: no row is as late as one of a later part.
    """
    edges = np.round(np.cumsum(settings.fractions)[:-1] * len(time_N)).astype(int)
    bounds = np.sort(time_N)[np.minimum(edges, len(time_N) - 1)]
    return np.searchsorted(bounds, time_N, side="right").astype(np.uint8)


def assign(settings: SplitSettings, start: int, rows: int, total: int) -> npt.NDArray[np.uint8]:
    """The part (an index into PARTS) of ``rows`` rows from row ``start`` of ``total``.

    A random split draws one number per row from a stream that can be entered at any row, so that
    slices of any size give the same split.
    """
    bounds = np.cumsum(settings.fractions)[:-1]
    if settings.kind == "order":
        edges = np.round(bounds * total)
        return np.searchsorted(edges, np.arange(start, start + rows), side="right").astype(np.uint8)
    stream = np.random.PCG64(settings.seed).advance(start)
    drawn = np.random.Generator(stream).random(rows)
    return np.searchsorted(bounds, drawn, side="right").astype(np.uint8)
