"""The stages of a preparation: raw slices, the counts of a column, groups of encoded rows.

Each writes small pieces, flushed to the disk and renamed when they are whole, so that a preparation
that was killed goes on behind the last.
"""

import io
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import LABEL, MULTI, TRUTH, WEIGHT, Column, Slice, clicks
from ctrbench.data.sources.base import Source
from ctrbench.data.store.encode import RowEncoder
from ctrbench.errors import DiskError, UserError
from ctrbench.files import in_order, replacing, write_atomic
from ctrbench.progress import Progress

WORKERS = 2  # threads that parse slices while others are read, and that encode
ENCODE_ROWS = 250_000  # rows that are put together from short slices, to be encoded at once
ENCODE_CELLS = 2**25  # ids that are encoded at once
FIT_CELLS = 4_000_000  # values that are counted at once
USUAL_SHARE = 0.99  # of the training rows, whose lists are of usual length
LEAST_VALUES = 8  # of a row that are kept in any case
log = logging.getLogger(__name__)


class Reading:
    """The first stage: every slice of a source to a Parquet file, a few at once."""

    def __init__(self, source: Source, work: Path) -> None:
        self.source, self.work = source, work

    def run(self) -> list[Path]:
        """Read the source to files ``slice-NUMBER-SPLIT``, returned in its order."""
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
        """Extrapolate the space for raw slices and ids from the first slice, and check it."""
        settings, history = self.source.settings, self.source.settings.history
        past = (1 + len(history.of)) * bool(history) or len(settings.sequence_columns)
        columns = len(self.source.columns) + past * history.length
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
    """Format a number of bytes."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def read(piece: Slice, path: Path) -> int:
    """Write a slice unless it is there already, and return its number of rows."""
    try:
        return _rows(path)
    except (OSError, pl.exceptions.PolarsError):
        frame = piece.read()
    if LABEL not in frame.columns:
        raise UserError("there are rows without labels; training takes labelled rows alone")
    write_parquet(frame, path)
    return len(frame)


def encoded(encoder: RowEncoder, paths: list[Path], start: int, rows: int) -> dict[str, Any]:
    """Encode some rows of some slices to the columns of a store."""
    frame = pl.scan_parquet(paths).slice(start, rows).collect()
    ids_NS, values_NX = encoder(frame)
    columns = {"ids": ids_NS, "values": values_NX, "labels": clicks(frame)}
    if TRUTH in frame.columns:
        columns["truth"] = frame[TRUTH].to_numpy()
    if WEIGHT in frame.columns:
        columns["weights"] = frame[WEIGHT].to_numpy().astype("<f4")
    return columns


def _rows(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


@cache
def rows_of(path: Path) -> int:
    """Count the rows of a written slice; cached, as every column asks for them."""
    return _rows(path)


def groups(slices: list[Path], at_least: int) -> Iterator[tuple[int, list[Path]]]:
    """Group slices to at least so many rows, and yield the first row's number with each group."""
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
    """Yield the rows to encode at once: slices, the first of their rows, the number of rows.

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
    """Yield the columns to count at once: one of a long table, many of a wide one."""
    width = max(1, FIT_CELLS // max(1, rows))
    for start in range(0, len(columns), width):
        yield columns[start : start + width]


def count(
    columns: Sequence[Column],
    slices: list[Path],
    is_train: npt.NDArray[np.bool_],
    max_values: int | None,
) -> Iterator[tuple[Column, pl.DataFrame, int]]:
    """Count the values of each column in the training rows.

    Yields the column, a frame of ``value`` and ``count``, and the number of values of a row that
    are kept.

    Args:
        max_values: of a row at most; None: by the training rows.
    """
    lists = [column.name for column in columns if column.kind == MULTI]
    slots = _slots(lists, slices, is_train, max_values)
    counts: dict[str, list[pl.DataFrame]] = {column.name: [] for column in columns}
    for start, paths in groups(slices, FIT_CELLS):
        frame = pl.read_parquet(paths, columns=list(counts))
        train = pl.Series("train", is_train[start : start + len(frame)])
        for column in columns:
            values = frame[column.name].alias("value").filter(train)
            if column.kind == MULTI:
                values = values.list.head(slots[column.name])
                values = values.explode(empty_as_null=True, keep_nulls=True)
            counted = values.value_counts()
            counts[column.name].append(counted.with_columns(pl.col("count").cast(pl.Int64)))
    for column in columns:
        merged = pl.concat(counts.pop(column.name)).group_by("value").agg(pl.col("count").sum())
        yield column, merged, slots.get(column.name, 1)


def _slots(
    names: list[str], slices: list[Path], is_train: npt.NDArray[np.bool_], max_values: int | None
) -> dict[str, int]:
    """Return the values of a row that each column of lists keeps, and log what is cut."""
    measured: dict[str, list[pl.DataFrame]] = {name: [] for name in names}
    for start, paths in groups(slices, FIT_CELLS) if names else ():
        frame = pl.read_parquet(paths, columns=names)
        train = pl.Series("train", is_train[start : start + len(frame)])
        for name in names:
            lengths = pl.DataFrame([train, frame[name].list.len().fill_null(0).alias("length")])
            measured[name].append(lengths.group_by("train", "length").len())
    slots = {}
    for name, frames in measured.items():
        lengths = pl.concat(frames).group_by("train", "length").agg(pl.col("len").sum())
        slots[name] = _kept_values(lengths.filter("train"), max_values)
        cut = lengths.filter(pl.col("length") > slots[name])
        if len(cut):
            longest = int(lengths["length"].max())  # type: ignore[arg-type]
            log.info(
                "%s: values of a row beyond the first %d are left out, in %s training and %s other "
                "rows; data.max_values=%d keeps all",
                name,
                slots[name],
                *(
                    f"{int(cut.filter(part)['len'].sum()):,}"
                    for part in ("train", ~pl.col("train"))
                ),
                longest,
            )
    return slots


def _kept_values(lengths: pl.DataFrame, max_values: int | None) -> int:
    """Return as many as a training row has, but for rows far longer than nearly all others."""
    ordered = lengths.sort("length")
    longest = max(1, int(ordered["length"][-1]))
    if max_values is not None:
        return min(longest, max_values)
    ends = ordered["len"].cast(pl.Int64).cum_sum().to_numpy()  # rows up to each length
    usual = int(
        ordered["length"][int(np.searchsorted(ends, USUAL_SHARE * (ends[-1] - 1), "right"))]
    )
    return min(longest, max(LEAST_VALUES, 2 * usual))


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame to a file, flushed to the disk and renamed into place.

    Polars writes to memory: it does not always say why the system refused a write.
    """
    content = io.BytesIO()
    frame.write_parquet(content, compression="lz4", statistics=False)
    write_atomic(path, content.getvalue())


def join_parquet(pieces: list[Path], path: Path) -> None:
    """Write the rows of several files to one, a few at a time, renamed into place at the end."""
    try:
        with replacing(path) as file:
            pl.scan_parquet(pieces).sink_parquet(file)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise DiskError(f"{path}: cannot be written ({reason}); name another folder") from None
