"""Rows of a table (CSV, TSV, Parquet) as text, checked, a block at a time."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from ctrbench.data.patterns import is_named
from ctrbench.data.sources.compression import is_parquet
from ctrbench.data.sources.frame_index import INDEX_NAME, unnamed_index_columns
from ctrbench.data.sources.layout import BYTE_ORDER_MARK, Layout, TextOptions, layout_of
from ctrbench.data.sources.parquet import column_types, holds_vectors, parquet_cells
from ctrbench.data.sources.quotes import rows_of_lines
from ctrbench.data.sources.rows import Cells, Read
from ctrbench.data.sources.spelling import as_codes, has_text
from ctrbench.data.sources.text import BLOCK_BYTES, Block, check_widths, decode
from ctrbench.errors import UserError

INFERRED = TextOptions()


def read_cells(path: Path, options: TextOptions = INFERRED) -> Iterator[tuple[float, Read]]:
    """Yield all rows of a file: Parquet or delimited text, which may be compressed.

    Yields the share of the file up to the end of a block, and a function that reads the block.
    """
    markers = list(options.missing)
    blocks = (
        parquet_cells(path, options.vectors) if is_parquet(path) else _text_cells(path, options)
    )
    for share, read in blocks:
        yield share, partial(_without_markers, read, markers) if markers else read


def _without_markers(read: Read, markers: list[str]) -> Cells:
    """Read cells, those that are declared missing as null."""
    cells = read()
    codes = as_codes(pl.Series(markers, dtype=pl.String))

    def without(column: pl.Series) -> pl.Series:
        text = column.str.strip_chars()
        return column.set(text.is_in(markers) | as_codes(text).is_in(codes), None)

    columns = []
    for column in cells.frame:
        if column.dtype == pl.String:
            column = without(column)
        elif column.dtype == pl.List(pl.String):
            present = pl.element().map_batches(without, return_dtype=pl.String).drop_nulls()
            column = column.list.eval(present)
        columns.append(column)
    return replace(cells, frame=pl.DataFrame(columns))


def _text_cells(path: Path, options: TextOptions) -> Iterator[tuple[float, Read]]:
    layout, is_empty = layout_of(path, options), True
    blocks = rows_of_lines(path, layout.quoting, BLOCK_BYTES, first_line=layout.first_line)
    for block, is_quoted in blocks:
        is_empty = False
        yield block.share, partial(_text, path, block, layout, is_quoted)
    if is_empty:
        raise UserError(f"{path}: no rows after the header; name a file with rows")


def read_header(path: Path, options: TextOptions = INFERRED) -> list[str]:
    """Return the names of a file's columns."""
    if is_parquet(path):
        return column_types(path).names()
    return list(layout_of(path, options).names)


def without_text(path: Path, options: TextOptions = INFERRED) -> dict[str, str]:
    """Return the columns of a Parquet file whose values are not read, and what these are."""
    types = column_types(path) if is_parquet(path) else {}
    return {
        name: f"values of type {kind}"
        for name, kind in types.items()
        if not has_text(kind) and not (is_named(name, options.vectors) and holds_vectors(kind))
    }


def unnamed_index(path: Path, options: TextOptions = INFERRED) -> list[str]:
    """Return the columns that are the index of a data frame, which had no name there."""
    declared = unnamed_index_columns(path) if is_parquet(path) else []
    names = read_header(path, options)
    return [name for name in names if name in declared or INDEX_NAME.fullmatch(name)]


def vectors(path: Path) -> list[str]:
    """Return the columns of a Parquet file that hold lists of floats or of Decimals."""
    types = column_types(path) if is_parquet(path) else {}
    inner = {name: kind.inner for name, kind in types.items() if hasattr(kind, "inner")}
    return [name for name, kind in inner.items() if isinstance(kind, pl.Decimal) or kind.is_float()]


def _text(path: Path, block: Block, layout: Layout, is_quoted: bool) -> Cells:
    line, data = block.line, block.data
    if b"\0" in data:
        bad = line + data[: data.index(b"\0")].count(b"\n")
        raise UserError(f"{path}, line {bad}: a NUL byte; this is not text, or it is damaged")
    if line == 1:
        block = Block(line, data.removeprefix(BYTE_ORDER_MARK), block.share)
    text = decode(path, block)
    if is_quoted:
        cells = _quoted(path, line, text, layout)
    else:
        cells = Cells(_plain(path, block, layout), lambda row: f"{path}, line {line + row}")
    if layout.is_trailing:
        after = cells.frame.to_series(-1)
        if (bad_row := after.is_not_null().arg_max()) is not None and after[bad_row] is not None:
            raise UserError(
                f"{cells.where(bad_row)}: {after[bad_row][:40]!r} in the last column, which has no "
                "name; name the column, or correct the line"
            )
        cells = Cells(cells.frame.drop(after.name), cells.where)
    _refuse_second_header(cells)
    return cells


def _plain(path: Path, block: Block, layout: Layout) -> pl.DataFrame:
    quoting = layout.quoting
    check_widths(path, block, quoting.width, quoting.separator)
    frame = pl.read_csv(
        io.BytesIO(block.data),
        separator=quoting.separator.decode(),
        has_header=False,
        quote_char=None,
        schema=_schema(layout),
    )
    if not quoting.is_spaced:
        return frame
    stripped = pl.all().str.strip_chars_start(" ")
    return frame.select(pl.when(stripped != "").then(stripped))


def _schema(layout: Layout) -> dict[str, pl.String]:
    trailing = ["\0"] * layout.is_trailing  # no name of a column
    return dict.fromkeys([*layout.names, *trailing], pl.String())


def _quoted(path: Path, line: int, text: str, layout: Layout) -> Cells:
    """Parse with the csv module: slower, but it knows quotation marks and line breaks in cells."""
    quoting, width = layout.quoting, layout.quoting.width
    reader = csv.reader(
        io.StringIO(text, newline="\n"),
        delimiter=quoting.separator.decode(),
        skipinitialspace=quoting.is_spaced,
        strict=True,
    )
    rows: list[list[str | None]] = []
    lines: list[int] = []
    try:
        for row in reader:
            at = line + reader.line_num - 1
            row = row or [""]
            if len(row) != width:
                raise UserError(
                    f"{path}, line {at}: {len(row)} columns, expected {width}; "
                    "mend or remove the line"
                )
            rows.append([cell or None for cell in row])
            lines.append(at)
    except csv.Error as error:
        at = line + reader.line_num - 1
        raise UserError(f"{path}, line {at}: {error}; correct the line") from None
    frame = pl.DataFrame(rows, schema=_schema(layout), orient="row")
    return Cells(frame, lambda row: f"{path}, line {lines[row]}")


def _refuse_second_header(cells: Cells) -> None:
    """Refuse a row that is the columns' names in some order, as joined files have it."""
    names = cells.frame.columns
    if len(names) < 2 or all(map(_is_number, names)):
        return
    padding = " \t\ufeff"
    first = cells.frame.to_series(0).str.strip_chars(padding)
    places = first.is_in(names).arg_true()
    candidates = cells.frame[places].with_columns(pl.all().str.strip_chars(padding))
    is_header = candidates.select(
        pl.all_horizontal(pl.all().is_in(names))
        & (pl.concat_list(pl.all()).list.n_unique() == len(names))
    ).to_series()
    if is_header.any():
        row = int(places[int(is_header.arg_max() or 0)])
        raise UserError(f"{cells.where(row)}: the columns' names, not a row; remove the line")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
