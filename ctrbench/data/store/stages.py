"""The stages of a preparation: raw slices, the counts of a column, groups of encoded rows.

Each writes small pieces, flushed to the disk and renamed when they are whole, so that a preparation
that was killed goes on behind the last.
"""

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import LABEL, MULTI, TRUTH, Column, Slice
from ctrbench.data.sources.base import Source
from ctrbench.data.store.encode import RowEncoder
from ctrbench.errors import DiskError, UserError
from ctrbench.files import in_order, replacing
from ctrbench.progress import Progress

WORKERS = 2  # threads that parse slices while others are read, and that encode
ENCODE_ROWS = 250_000  # rows that are put together from short slices, to be encoded at once
ENCODE_CELLS = 2**25  # ids that are encoded at once
FIT_CELLS = 4_000_000  # values that are counted at once
log = logging.getLogger(__name__)


class Reading:
    """The first stage: every slice of a source to a Parquet file, a few at once."""

    def __init__(self, source: Source, work: Path) -> None:
        self.source, self.work = source, work

    def run(self) -> list[Path]:
        """The files in the source's order, named ``slice-NUMBER-PART``."""
        shares: list[float] = []
        paths: list[Path] = []

        def tasks() -> Iterator[Callable[[], int]]:
            for piece in self.source.slices():
                path = self.work / f"slice-{len(paths):06}-{piece.part}.parquet"
                shares.append(piece.share)
                paths.append(path)
                yield partial(read, piece, path)

        with Progress("read") as progress:
            for done, rows in enumerate(in_order(tasks(), WORKERS)):
                if done == 0 and shares[0] < 1:
                    self._check_disk(paths[0].stat().st_size, rows, shares[0])
                progress.total = round((progress.n + rows) / shares[done])
                progress.update(rows)
        return paths

    def _check_disk(self, raw_bytes: int, rows: int, share: float) -> None:
        """From the first slice: the raw slices, then the ids beside them."""
        history = self.source.settings.history
        columns = len(self.source.columns) + (1 + len(history.of)) * history.length * bool(history)
        needed = int((raw_bytes + rows * (4 * columns + 1)) / share)
        log.info("this takes %s", check_disk(self.work, needed, round(rows / share), "**/*"))


def check_disk(work: Path, needed: int, rows: int, written: str) -> str:
    """Refuse to write so many bytes where the disk has fewer.

    Args:
        written: a pattern of the files in the folder of work that are a part of them already.

    Returns:
        what is needed and what is free, in words.
    """
    done = sum(path.stat().st_size for path in work.glob(written) if path.is_file())
    free = shutil.disk_usage(work).free + done
    size = f"about {_amount(needed)} of disk for about {rows:,} rows"
    if needed > free:
        raise DiskError(
            f"{work.parent}: preparing takes {size}, and {_amount(free)} are free; free the space, "
            "or name another folder with results=FOLDER"
        )
    return f"{size}; {_amount(free)} are free"


def _amount(size: float) -> str:
    """Bytes in words."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def read(piece: Slice, path: Path) -> int:
    """Write a slice unless it is there, to its end; its rows."""
    try:
        return _rows(path)
    except (OSError, pl.exceptions.PolarsError):
        frame = piece.read()
    if LABEL not in frame.columns:
        raise UserError("there are rows without labels; training takes labelled rows alone")
    write_parquet(frame, path)
    return len(frame)


def encoded(encoder: RowEncoder, paths: list[Path], start: int, rows: int) -> dict[str, Any]:
    """The columns of a store, of some rows of some slices."""
    frame = pl.scan_parquet(paths).slice(start, rows).collect()
    ids_NS, values_NX = encoder(frame)
    columns = {"ids": ids_NS, "values": values_NX, "labels": frame[LABEL].to_numpy()}
    if TRUTH in frame.columns:
        columns["truth"] = frame[TRUTH].to_numpy()
    return columns


def _rows(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


@cache
def rows_of(path: Path) -> int:
    """Of a slice that is written, which does not change: asked for by every column."""
    return _rows(path)


def groups(slices: list[Path], at_least: int) -> Iterator[tuple[int, list[Path]]]:
    """Slices put together to so many rows, with the number of the first row."""
    start, rows, group = 0, 0, list[Path]()
    for path in slices:
        group.append(path)
        rows += rows_of(path)
        if rows >= at_least:
            yield start, group
            start, rows, group = start + rows, 0, []
    if group:
        yield start, group


def pieces(
    slices: list[Path], rows: int, most: int, behind: int
) -> Iterator[tuple[list[Path], int, int]]:
    """The rows that are encoded at once: slices, the first of their rows, how many from there on.

    Args:
        rows: that slices are put together to.
        most: rows of a piece; longer slices are cut.
        behind: rows that are done.
    """
    for first, paths in groups(slices, min(rows, most)):
        last = first + sum(map(rows_of, paths))
        for start in range(max(first, behind), last, most):
            yield paths, start - first, min(most, last - start)


def passes(columns: Sequence[Column], rows: int) -> Iterator[Sequence[Column]]:
    """The columns that are counted at once: one of a long table, many of a wide one."""
    width = max(1, FIT_CELLS // max(1, rows))
    for start in range(0, len(columns), width):
        yield columns[start : start + width]


def count(
    columns: Sequence[Column], slices: list[Path], is_train: npt.NDArray[np.bool_]
) -> Iterator[tuple[Column, pl.DataFrame, int]]:
    """How often each value of each column occurs in training rows (a frame of ``value`` and
    ``count``), and the most values that a training row has."""
    counts: dict[str, list[pl.DataFrame]] = {column.name: [] for column in columns}
    lengths: dict[str, list[pl.DataFrame]] = {column.name: [] for column in columns}
    for start, paths in groups(slices, FIT_CELLS):
        frame = pl.read_parquet(paths, columns=list(counts))
        train = pl.Series("train", is_train[start : start + len(frame)])
        for column in columns:
            values = frame[column.name].alias("value")
            if column.kind == MULTI:
                measured = pl.DataFrame([train, values.list.len().alias("length")])
                lengths[column.name].append(measured.group_by("train", "length").len())
            values = values.filter(train)
            if column.kind == MULTI:
                values = values.explode(empty_as_null=True, keep_nulls=True)
            counted = values.value_counts()
            counts[column.name].append(counted.with_columns(pl.col("count").cast(pl.Int64)))
    for column in columns:
        merged = pl.concat(counts.pop(column.name)).group_by("value").agg(pl.col("count").sum())
        slots = _slots(column.name, found) if (found := lengths.pop(column.name)) else 1
        yield column, merged, slots


def _slots(name: str, lengths: list[pl.DataFrame]) -> int:
    """The length of the longest list of the training rows."""
    found = pl.concat(lengths)
    slots: int = max([1, *found.filter("train")["length"].drop_nulls().to_list()])
    cut = int(found.filter(pl.col("length") > slots)["len"].cast(pl.Int64).sum())
    if cut:
        log.info(
            "%s: in %s validation and test rows, values beyond the first %d are left out; no "
            "training row has more",
            name,
            f"{cut:,}",
            slots,
        )
    return slots


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame to a file, flushed to the disk and renamed into place.

    Raises:
        OSError: if the system refuses; polars says it in words of its own.
    """
    try:
        with replacing(path) as file:
            frame.write_parquet(file, compression="lz4", statistics=False)
    except pl.exceptions.PolarsError as error:
        if (number := re.search(r"os error (\d+)", str(error))) is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from None
