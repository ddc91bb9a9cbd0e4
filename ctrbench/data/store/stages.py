"""The stages of a preparation: raw slices, the counts of a column, groups of encoded rows.

Each is of small pieces that are written to one side and renamed, so that a preparation that was
killed goes on behind the last.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import LABEL, MULTI, TRUTH, Column, Slice
from ctrbench.data.sources.base import Source
from ctrbench.data.store.encode import RowEncoder
from ctrbench.errors import UserError
from ctrbench.files import in_order

WORKERS = 2  # threads that parse slices while others are read, and that encode
FIT_ROWS = 4_000_000  # rows whose values of a column are counted at once
log = logging.getLogger(__name__)


class Reading:
    """The first stage: every slice of a source to a Parquet file, a few at once."""

    def __init__(self, source: Source, work: Path) -> None:
        self.source, self.work = source, work
        self.progress = Progress("read")

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

        total = 0
        for done, rows in enumerate(in_order(tasks(), WORKERS)):
            total += rows
            if done == 0 and shares[0] < 1:
                self._check_disk(paths[0].stat().st_size, rows, shares[0])
            self.progress.say(total, shares[done])
        return paths

    def _check_disk(self, raw_bytes: int, rows: int, share: float) -> None:
        """From the first slice: the raw slices, then the ids beside them."""
        columns = len(self.source.columns)
        needed = int((raw_bytes + rows * (4 * columns + 1)) / share)
        written = sum(path.stat().st_size for path in self.work.rglob("*") if path.is_file())
        free = shutil.disk_usage(self.work).free + written
        size = f"about {needed / 1e9:.1f} GB of disk for about {rows / share:,.0f} rows"
        log.info("this takes %s; %.1f GB are free", size, free / 1e9)
        if needed > free:
            raise UserError(
                f"{self.work.parent}: preparing takes {size}, and {free / 1e9:.1f} GB are free; "
                "free the space, or name another folder with results=FOLDER"
            )


def read(piece: Slice, path: Path) -> int:
    """Write a slice unless it is there; its rows."""
    if not path.exists():
        frame = piece.read()
        if LABEL not in frame.columns:
            raise UserError("there are rows without labels; training takes labelled rows alone")
        write_parquet(frame, path)
    return rows_of(path)


def encoded(encoder: RowEncoder, paths: list[Path]) -> dict[str, Any]:
    """The columns of a store, of the rows of some slices."""
    frame = pl.read_parquet(paths)
    ids_NS, values_NX = encoder(frame)
    columns = {"ids": ids_NS, "values": values_NX, "labels": frame[LABEL].to_numpy()}
    if TRUTH in frame.columns:
        columns["truth"] = frame[TRUTH].to_numpy()
    return columns


@cache
def rows_of(path: Path) -> int:
    """Of a slice, which does not change: asked for by every column."""
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


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


def count(column: Column, slices: list[Path], is_train: npt.NDArray[np.bool_]) -> Any:
    """How often each value occurs in training rows, and the most values that any row has."""
    counts: list[pl.DataFrame] = []
    slots = 1
    for start, paths in groups(slices, FIT_ROWS):
        values = pl.scan_parquet(paths).select(pl.col(column.name).alias("value")).collect()
        train = values.filter(pl.Series(is_train[start : start + len(values)]))
        if column.kind == MULTI:
            slots = max(slots, int(values["value"].list.len().max() or 0))  # type: ignore[arg-type]
            train = train.explode("value", empty_as_null=True, keep_nulls=True)
        counts.append(train.group_by("value").agg(pl.len().alias("count")))
    merged = pl.concat(counts).group_by("value").agg(pl.col("count").sum())
    return merged, slots


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    side = path.with_suffix(".tmp")
    try:
        frame.write_parquet(side, compression="lz4", statistics=False)
        side.replace(path)
    except pl.exceptions.PolarsError as error:  # a full disk, in other words than an OSError's
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be written ({reason}); free the space") from None


class Progress:
    """A line now and then: rows done, and the time that is left."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.started = self.said = time.perf_counter()

    def say(self, rows: int, share: float) -> None:
        """Log, unless the last line is younger than five seconds."""
        now = time.perf_counter()
        if now - self.said > 5:
            self.said = now
            left = (now - self.started) * (1 - share) / share
            log.info("%s %s rows, %.0f %%, %.0f s left", self.what, f"{rows:,}", 100 * share, left)
