"""The stages of a preparation: raw slices, the counts of a column, groups of encoded rows.

Each is of small pieces that are written to one side and renamed, so that a preparation that was
killed goes on behind the last.
"""

import logging
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
from ctrbench.errors import UserError
from ctrbench.files import in_order
from ctrbench.progress import Progress

WORKERS = 2  # threads that parse slices while others are read, and that encode
ENCODE_ROWS = 250_000  # rows that are encoded at once
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
        written = sum(path.stat().st_size for path in self.work.rglob("*") if path.is_file())
        free = shutil.disk_usage(self.work).free + written
        size = f"about {_amount(needed)} of disk for about {rows / share:,.0f} rows"
        log.info("this takes %s; %s are free", size, _amount(free))
        if needed > free:
            raise UserError(
                f"{self.work.parent}: preparing takes {size}, and {_amount(free)} are free; "
                "free the space, or name another folder with results=FOLDER"
            )


def _amount(size: float) -> str:
    """Bytes in words."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


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


def passes(columns: Sequence[Column], rows: int) -> Iterator[Sequence[Column]]:
    """The columns that are counted at once: one of a long table, many of a wide one."""
    width = max(1, FIT_CELLS // max(1, rows))
    for start in range(0, len(columns), width):
        yield columns[start : start + width]


def count(
    columns: Sequence[Column], slices: list[Path], is_train: npt.NDArray[np.bool_]
) -> Iterator[tuple[Column, pl.DataFrame, int]]:
    """How often each value of each column occurs in training rows (a frame of ``value`` and
    ``count``), and the most values that any row has."""
    counts: dict[str, list[pl.DataFrame]] = {column.name: [] for column in columns}
    slots = dict.fromkeys(counts, 1)
    for start, paths in groups(slices, FIT_CELLS):
        frame = pl.read_parquet(paths, columns=list(counts))
        train = pl.Series(is_train[start : start + len(frame)])
        for column in columns:
            values = frame[column.name].alias("value")
            if column.kind == MULTI:
                longest = values.list.len().max()
                slots[column.name] = max(slots[column.name], int(longest or 0))  # type: ignore[arg-type]
            values = values.filter(train)
            if column.kind == MULTI:
                values = values.explode(empty_as_null=True, keep_nulls=True)
            counts[column.name].append(values.value_counts())
    for column in columns:
        merged = pl.concat(counts.pop(column.name)).group_by("value").agg(pl.col("count").sum())
        yield column, merged, slots[column.name]


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    side = path.with_suffix(".tmp")
    try:
        frame.write_parquet(side, compression="lz4", statistics=False)
        side.replace(path)
    except pl.exceptions.PolarsError as error:  # a full disk, in other words than an OSError's
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be written ({reason}); free the space") from None
