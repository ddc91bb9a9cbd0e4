"""The layout of delimited text: separator, header, quotation marks, as declared or inferred."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ctrbench.data.settings import TableSettings
from ctrbench.data.sources.frame_index import name_index
from ctrbench.data.sources.quotes import Quoting, rows_of_lines, scan_quotations
from ctrbench.data.sources.raw import why_no_file
from ctrbench.data.sources.text import Block, blocks, decode
from ctrbench.errors import UserError
from ctrbench.files import file_signature

HEADER_BYTES = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SEPARATORS = "\t,;|"
NO_HEADER = "has it a header? If not, declare data.header=[NAME, ...], or data.header=none"
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class TextOptions:
    """What the settings declare of the cells of a file; None is inferred.

    Attributes:
        header: the names of the columns of a file without a header; empty to number them.
        label: the column that a file without a header may lack.
        missing: values that stand for a missing one, in Parquet too.
        vectors: columns of vectors, in Parquet too.
        values_separator: what separates the numbers of one in text.
    """

    separator: str | None = None
    quote: str | None = None
    header: tuple[str, ...] | None = None
    label: str | None = None
    missing: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    values_separator: str = "|"

    @classmethod
    def from_settings(cls, own: TableSettings, vectors: tuple[str, ...]) -> "TextOptions":
        """Return the options of a table's settings."""
        header = own.header
        names = () if header == "none" else None if header is None else tuple(map(str, header))
        declared = (own.separator, own.quote, names, own.label, tuple(own.missing))
        return cls(*declared, vectors, own.values_separator)


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are read.

    Attributes:
        names: of the columns.
        quoting: of the cells; one more than the names where every row ends in a separator.
        first_line: the first that is a row.
    """

    names: tuple[str, ...]
    quoting: Quoting
    first_line: int

    @property
    def is_trailing(self) -> bool:
        """Whether a separator ends every row."""
        return self.quoting.width > len(self.names)


def layout_of(path: Path, options: TextOptions) -> Layout:
    """Return the layout of a text file."""
    if what := why_no_file(path):
        raise UserError(f"{path}: {what}; name a file of rows")
    return _layout(path, file_signature(path), options)


def is_row_of_values(names: list[str], label: str) -> bool:
    """Return whether a header is, it seems, a row: a label that is a number, among names that do
    not count the columns."""
    counts = [[str(i) for i in range(start, len(names) + start)] for start in (0, 1)]
    return label in names and label in ("0", "1", "-1") and names not in counts


@cache
def quote_in(path: Path, version: tuple[int, ...], options: TextOptions) -> str | None:
    """Return ``none`` where the first rows show that marks are no quotations, else as declared."""
    layout = layout_of(path, options)
    rows = rows_of_lines(path, layout.quoting, first_line=layout.first_line)
    block, is_quoted = next(rows, (Block(1, b"", 1.0), True))
    if options.quote is not None or is_quoted:
        return options.quote
    return "none" if scan_quotations(block.data, layout.quoting) else None


@cache
def _layout(path: Path, version: tuple[int, ...], options: TextOptions) -> Layout:
    head = next(blocks(path, HEADER_BYTES))
    if head.data.startswith(BYTE_ORDER_MARK):
        head = Block(head.line, head.data.removeprefix(BYTE_ORDER_MARK), head.share)
    separator, is_spaced = _separator(path, head, options.separator)
    is_quoted = None if options.quote is None else options.quote == "double"
    quoting = Quoting(separator, is_spaced, 0, is_quoted, is_declared=is_quoted is True)
    first, rest = _first_row(path, head, quoting)
    cells = _cells(path, first, quoting)
    if not is_spaced and options.separator is None and len(cells) > 1:
        is_spaced = all(re.match(r" +\S", cell) for cell in cells[1:])
        quoting = replace(quoting, is_spaced=is_spaced)
        cells = _cells(path, first, quoting)
    if options.header is not None:
        names, width = _declared_names(path, cells, options), len(cells)
        return Layout(names, replace(quoting, width=width), 1)
    width = _width(path, cells, rest, quoting)
    names = _header_names(path, cells, width)
    if is_quoted is None and scan_quotations(first.data, quoting):
        quoting = replace(quoting, is_quoted=True, is_declared=True)
    return Layout(names, replace(quoting, width=width), 1 + first.data.count(b"\n"))


def _separator(path: Path, head: Block, declared: str | None) -> tuple[bytes, bool]:
    """Infer the separator, and whether spaces follow it."""
    if declared is not None:
        plain = declared.replace("\\t", "\t")
        separator, spaces = plain[:1], plain[1:]
        if not separator.isascii() or separator in ("", '"', "\n", "\r") or spaces.strip(" "):
            raise UserError(
                f"data.separator={declared!r}: must be one ASCII character, or one and a space"
            )
        return separator.encode(), bool(spaces)
    line = decode(path, Block(head.line, head.data.partition(b"\n")[0], head.share))
    counts = Counter(re.sub(r'"[^"]*"', "", line))
    return max(SEPARATORS, key=lambda character: counts[character]).encode(), False


def _first_row(path: Path, head: Block, quoting: Quoting) -> tuple[Block, bytes]:
    """Return the lines of the first row, and those after it."""
    end = head.data.find(b"\n") + 1
    if quoting.is_quoted is not False and b'"' in head.data[:end]:
        quotations = scan_quotations(head.data, quoting)
        for start, stop in zip(quotations.starts, quotations.ends, strict=True):
            if start < end:
                end = max(end, head.data.find(b"\n", stop) + 1)
        if quotations.broken is not None and quotations.broken < end:
            what = "is never closed" if quotations.is_open else "does not end its cell"
            raise UserError(f"{path}, line 1: not a header: a quotation mark {what}; correct it")
    return Block(head.line, head.data[:end], head.share), head.data[end:]


def _cells(path: Path, row: Block, quoting: Quoting) -> list[str]:
    text = decode(path, row).removesuffix("\n")
    if quoting.is_quoted is False:
        cells = text.split(quoting.separator.decode())
        return [cell.lstrip(" ") for cell in cells] if quoting.is_spaced else cells
    reader = csv.reader(
        io.StringIO(text, newline="\n"),
        delimiter=quoting.separator.decode(),
        skipinitialspace=quoting.is_spaced,
    )
    try:
        return [" ".join(cell.split("\n")) for cell in next(reader, [])] or [""]
    except csv.Error as error:
        raise UserError(f"{path}, line 1: not a header ({error}); correct it") from None


def _width(path: Path, header: list[str], rest: bytes, quoting: Quoting) -> int:
    """Return the number of cells of a row: one more than names if rows end in a separator."""
    line = rest.partition(b"\n")[0]
    if header[-1:] == [""] or not line.endswith(quoting.separator):
        return len(header)
    row = _cells(path, Block(2, line + b"\n", 0.0), quoting) if b'"' not in line else []
    return len(header) + (len(row) == len(header) + 1)


def _header_names(path: Path, cells: list[str], width: int) -> tuple[str, ...]:
    names = (
        cells[:-1] if len(cells) > 1 and not cells[-1].strip() and width == len(cells) else cells
    )
    if len(names) > 1 and not names[0]:
        names = [name_index(names), *names[1:]]
    seen: dict[str, int] = {}
    for i, name in enumerate(names, start=1):
        if not name:
            raise UserError(
                f"{path}, line 1: column {i} has no name; give every column one; {NO_HEADER}"
            )
        if name in seen:
            raise UserError(
                f"{path}, line 1: columns {seen[name]} and {i} are both named {name}; rename one; "
                f"{NO_HEADER}"
            )
        seen[name] = i
    return tuple(names)


def _declared_names(path: Path, cells: list[str], options: TextOptions) -> tuple[str, ...]:
    names = options.header or tuple(f"column_{i}" for i in range(1, len(cells) + 1))
    width = len(cells) - (len(cells) == len(names) + 1 and not cells[-1])
    if width == len(names) - 1 and options.label in names:
        names = tuple(name for name in names if name != options.label)
    if width != len(names):
        raise UserError(
            f"{path}, line 1: {width} columns, but data.header names {len(names)}; name every "
            "column"
        )
    return names
