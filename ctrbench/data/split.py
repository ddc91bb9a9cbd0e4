"""Which rows are for training, validation and test."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrbench.data.settings import SplitSettings
from ctrbench.errors import UserError

PARTS = ("train", "valid", "test")
LEFT_OUT = len(PARTS)  # of a training row that split.train_share leaves out
CHUNK = 2**22  # rows that numbers are drawn for at once
MOST_TIMES = 9  # that are listed where ties change the parts
TIED_SHARE = 0.05  # of the rows, by which ties may change a part before there is a warning
Floats = npt.NDArray[np.float64]


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


def check_ties(
    settings: SplitSettings,
    parts_N: npt.NDArray[np.uint8],
    time_N: Floats,
    column: str,
    text: Callable[[float], str],
) -> list[str]:
    """Return a warning if rows of equal times make the parts of a split by time other than asked.

    Args:
        text: returns a time as the column has it.

    Raises:
        UserError: if they leave a part without rows.
    """
    rows = np.bincount(parts_N, minlength=len(PARTS))
    shares = rows / len(time_N)
    if rows.all() and np.abs(shares - settings.fractions).max() <= TIED_SHARE:
        return []
    times, counts = np.unique(time_N, return_counts=True)
    if len(times) == len(time_N):
        return []
    largest = np.sort(np.argsort(-counts, kind="stable")[:MOST_TIMES])
    listed = ", ".join(f"{text(float(times[i]))} ({counts[i]:,} rows)" for i in largest)
    which = "" if len(times) <= MOST_TIMES else "most rows at "
    reason = (
        f"split=time: rows of one time stay together, and {column} has {len(times):,} "
        f"{'time' if len(times) == 1 else 'times'}, {which}{listed}"
    )
    if not rows.all():
        raise UserError(
            f"{reason}; no rows are left for {PARTS[int(np.argmin(rows))]}: name a finer time "
            "(data.time=COLUMN), other split.fractions, or three files"
        )
    named = ", ".join(f"{name} {share:.0%}" for name, share in zip(PARTS, shares, strict=True))
    return [f"{reason}; so the parts are {named} of the rows"]


def assign(settings: SplitSettings, start: int, rows: int, total: int) -> npt.NDArray[np.uint8]:
    """The part (an index into PARTS) of ``rows`` rows from row ``start`` of ``total``.

    A random split draws one number per row from a stream that can be entered at any row, so that
    slices of any size give the same split.
    """
    bounds = np.cumsum(settings.fractions)[:-1]
    if settings.kind == "order":
        edges = np.round(bounds * total)
        return np.searchsorted(edges, np.arange(start, start + rows), side="right").astype(np.uint8)
    stream = tagged_stream("random split", settings.seed).advance(start)
    drawn = np.random.Generator(stream).random(rows)
    return np.searchsorted(bounds, drawn, side="right").astype(np.uint8)


def leave_out(settings: SplitSettings, parts_N: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Set the training rows beyond ``train_share`` to ``LEFT_OUT``, in place, and return all.

    Each row has a number that depends on the split's seed and the row's place alone, and is kept
    if it is below the share: the rows of a smaller share are rows of every larger one.
    """
    if settings.train_share == 1:
        return parts_N
    drawn = np.random.Generator(tagged_stream("train share", settings.seed))
    for start in range(0, len(parts_N), CHUNK):
        parts = parts_N[start : start + CHUNK]
        is_beyond = drawn.random(len(parts)) >= settings.train_share
        parts[is_beyond & (parts == PARTS.index("train"))] = LEFT_OUT
    return parts_N


def tagged_stream(tag: str, seed: int) -> np.random.PCG64:
    """Return random bits that depend on a tag and a seed.

    A column that was made by ``numpy.random.default_rng(seed)`` would decide the part of its rows
    if the split drew its numbers from the same generator.
    """
    digest = hashlib.sha256(f"ctrbench {tag} {seed}".encode()).digest()
    return np.random.PCG64(int.from_bytes(digest, "little"))
