"""Rows of a table with a header (CSV, TSV, Parquet) as text, checked, a block at a time."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from ctrbench.data.sources.raw import why_no_file
from ctrbench.data.sources.text import Block, blocks, check_widths
from ctrbench.errors import UserError

SLICE_ROWS = 131_072
HEADER_BYTES = 1 << 20
csv.field_size_limit(1 << 30)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cells:
    """A block of rows.

    Attributes:
        frame: columns of text, an empty cell null; a list column of a Parquet file holds lists.
        where: names a row of the frame, for a message.
    """

    frame: pl.DataFrame
    where: Callable[[int], str]


Read = Callable[[], Cells]


def cells_of(path: Path, separator: str | None = None) -> Iterator[tuple[float, Read]]:
    """All rows of a file: Parquet or, compressed or not, delimited text, as its name says.

    Yields the share of the file up to the end of a block, and a function that reads the block.

    Raises:
        UserError: naming the line and what does not fit.
    """
    if _is_parquet(path):
        yield from _parquet(path)
        return
    names, separator, found = header_of(path, separator), _separator(path, separator), 0
    for block in blocks(path, quoted=True):
        if block.line == 1:
            block = Block(2, block.data.partition(b"\n")[2], block.share)
        if block.data:
            found += 1
            yield block.share, partial(_text, path, block, names, separator)
    if found == 0:
        raise UserError(f"{path}: no rows after the header; name a file with rows")


def header_of(path: Path, separator: str | None = None) -> list[str]:
    """The names of a file's columns.

    Raises:
        UserError: for a name that is empty or there twice.
    """
    if _is_parquet(path):
        return _scan(path).collect_schema().names()
    line = _first_line(path)
    try:
        names = next(csv.reader([line], delimiter=_separator(path, separator)), [])
    except csv.Error as error:
        raise UserError(f"{path}, line 1: not a header ({error})") from None
    seen: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        if not name:
            raise UserError(f"{path}, line 1: column {i} has no name; give every column one")
        if name in seen:
            raise UserError(
                f"{path}, line 1: columns {seen[name]} and {i} are both named {name}; rename one"
            )
        seen[name] = i
    return names


def unread(path: Path) -> dict[str, str]:
    """The columns of a Parquet file whose type has no text, and the type."""
    kinds = _scan(path).collect_schema() if _is_parquet(path) else {}
    return {name: str(kind) for name, kind in kinds.items() if not _has_text(kind)}


def _is_parquet(path: Path) -> bool:
    return path.suffix in (".parquet", ".pq")


def _first_line(path: Path) -> str:
    block = next(blocks(path, HEADER_BYTES)).data
    try:
        return block.partition(b"\n")[0].removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError:
        raise UserError(f"{path}, line 1: not UTF-8 text; convert the file") from None


def _separator(path: Path, declared: str | None) -> str:
    """The separator as declared, else the usual one that is most frequent in the header."""
    if declared is not None:
        if len(declared) != 1 or not declared.isascii():
            raise UserError(f"data.separator={declared!r}: must be one ASCII character")
        return declared
    counts = Counter(_first_line(path))
    return max("\t,;|", key=lambda character: counts[character])


def _text(path: Path, block: Block, names: list[str], separator: str) -> Cells:
    line, data = block.line, block.data
    if b"\0" in data:
        bad = line + data[: data.index(b"\0")].count(b"\n")
        raise UserError(f"{path}, line {bad}: a NUL byte; this is not text, or it is damaged")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        bad = line + data[: error.start].count(b"\n")
        raise UserError(f"{path}, line {bad}: not UTF-8 text; convert the file") from None
    if '"' in text:
        return _quoted(path, line, text, names, separator)
    check_widths(path, block, len(names), separator.encode())
    frame = pl.read_csv(
        io.BytesIO(data),
        separator=separator,
        has_header=False,
        quote_char=None,
        schema=dict.fromkeys(names, pl.String()),
    )
    return Cells(frame, lambda row: f"{path}, line {line + row}")


def _quoted(path: Path, line: int, text: str, names: list[str], separator: str) -> Cells:
    """By the csv module, which is slower but knows cells with quotation marks and line breaks."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str | None]] = []
    lines: list[int] = []
    try:
        for row in reader:
            at = line + reader.line_num - 1
            if len(row) != len(names):
                raise UserError(
                    f"{path}, line {at}: {len(row)} columns, expected {len(names)}; "
                    "mend or remove the line"
                )
            rows.append([cell or None for cell in row])
            lines.append(at)
    except csv.Error as error:
        at = line + reader.line_num - 1
        raise UserError(f"{path}, line {at}: {error}; mend the quotation marks") from None
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")
    return Cells(frame, lambda row: f"{path}, line {lines[row]}")


def _scan(path: Path) -> pl.LazyFrame:
    if what := why_no_file(path):
        raise UserError(f"{path}: {what}; name a file of rows")
    try:
        scan = pl.scan_parquet(path, glob=False)
        scan.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: not a Parquet file, or damaged ({reason})") from None
    return scan


def _parquet(path: Path) -> Iterator[tuple[float, Read]]:
    scan = _scan(path)
    columns = [_as_text(name, kind) for name, kind in scan.collect_schema().items()]
    rows = scan.select(pl.len()).collect().item()
    if rows == 0:
        raise UserError(f"{path}: no rows; name a file with rows")
    for start in range(0, rows, SLICE_ROWS):
        piece = scan.slice(start, SLICE_ROWS).select(columns)
        yield min(1.0, (start + SLICE_ROWS) / rows), partial(_collect, path, start, piece)


def _collect(path: Path, start: int, piece: pl.LazyFrame) -> Cells:
    try:
        return Cells(piece.collect(), lambda row: f"{path}, row {start + row + 1}")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: the file is damaged ({reason}); fetch it again") from None


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if not _has_text(kind):
        return pl.lit(None, pl.String).alias(name)
    if isinstance(kind, pl.List):
        return column.cast(pl.List(pl.String))
    if isinstance(kind, pl.Datetime):
        column = column.dt.replace_time_zone(None)
    text = column.cast(pl.String)
    return pl.when(text != "").then(text).alias(name)


def _has_text(kind: pl.DataType) -> bool:
    if isinstance(kind, pl.List):
        kind = kind.inner  # type: ignore[assignment]
    return not (kind.is_nested() or isinstance(kind, pl.Binary | pl.Object | pl.Duration))
