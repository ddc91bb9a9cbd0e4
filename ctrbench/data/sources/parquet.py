"""Rows of a Parquet file as text, a block at a time."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from ctrbench.data.patterns import is_named
from ctrbench.data.sources.frame_index import name_index
from ctrbench.data.sources.raw import why_no_file
from ctrbench.data.sources.rows import Cells, Read
from ctrbench.data.sources.spelling import as_text, has_text
from ctrbench.errors import UserError

SLICE_ROWS = 131_072


def column_types(path: Path) -> pl.Schema:
    """Return the names of the columns and their types."""
    types = _scan(path).collect_schema()
    if "" in types:
        number = types.names().index("") + 1
        raise UserError(f"{path}: column {number} has no name; give every column one")
    return types


def holds_vectors(kind: pl.DataType) -> bool:
    """Return whether a column of a type holds lists or arrays of numbers."""
    return isinstance(kind, pl.List | pl.Array) and kind.inner.is_numeric()


def parquet_cells(path: Path, vectors: Sequence[str] = ()) -> Iterator[tuple[float, Read]]:
    """Yield the share of the file up to the end of a block, and a function that reads the block.

    Args:
        vectors: columns whose lists of numbers are read as such, not as text.
    """
    scan, types = _scan(path), column_types(path)
    columns = [_cells_of(name, kind, vectors) for name, kind in types.items()]
    numbers = frozenset(name for name, kind in types.items() if kind.is_numeric())
    rows = scan.select(pl.len()).collect().item()
    if rows == 0:
        raise UserError(f"{path}: no rows; name a file with rows")
    for start in range(0, rows, SLICE_ROWS):
        piece = scan.slice(start, SLICE_ROWS).select(columns)
        read = partial(_collect, path, start, piece, numbers)
        yield min(1.0, (start + SLICE_ROWS) / rows), read


def _cells_of(name: str, kind: pl.DataType, vectors: Sequence[str]) -> pl.Expr:
    column = pl.col(name)
    if is_named(name, vectors) and holds_vectors(kind):
        lists = column.arr.to_list() if isinstance(kind, pl.Array) else column
        return lists.cast(pl.List(pl.Float64))
    return (as_text(column, kind) if has_text(kind) else pl.lit(None, pl.String)).alias(name)


def _scan(path: Path) -> pl.LazyFrame:
    if what := why_no_file(path):
        raise UserError(f"{path}: {what}; name a file of rows")
    try:
        scan = pl.scan_parquet(path, glob=False)
        names = scan.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path}: not a Parquet file, or damaged ({reason}); fetch or convert it again"
        ) from None
    is_index = len(names) > 1 and not names[0]
    return scan.rename({"": name_index(names)}) if is_index else scan


def _collect(path: Path, start: int, piece: pl.LazyFrame, numbers: frozenset[str]) -> Cells:
    try:
        frame = piece.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path}: damaged, or of a type that is not read ({reason}); fetch or convert it again"
        ) from None
    not_text: dict[str, int] = {}
    for column in frame:
        if column.dtype.base_type() is pl.Binary or column.dtype == pl.List(pl.Binary):
            frame = frame.with_columns(_decode(column, not_text))
    return Cells(frame, lambda row: f"{path}, row {start + row + 1}", not_text, numbers)


def _decode(column: pl.Series, not_text: dict[str, int]) -> pl.Series:
    """Return bytes as UTF-8 text; where they are none, note the first row and return nulls."""
    kind = pl.List(pl.String) if isinstance(column.dtype, pl.List) else pl.String()
    try:
        text = column.cast(kind)
    except pl.exceptions.PolarsError:
        not_text[column.name] = next(
            row for row in range(len(column)) if not _is_text(column.slice(row, 1), kind)
        )
        return pl.Series(column.name, [None] * len(column), pl.String)
    return text.set(text == "", None) if kind == pl.String else text


def _is_text(column: pl.Series, kind: pl.DataType) -> bool:
    try:
        column.cast(kind)
    except pl.exceptions.PolarsError:
        return False
    return True
