"""Quotation marks of CSV: where quoted cells are, and whether a file uses them at all.

A quotation begins at the start of a cell and ends before a separator or the end of a line; within
it a mark is doubled. A mark elsewhere (``5" disk``) is a character like any other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctrbench.data.sources.text import BLOCK_BYTES, UNCLOSED_BYTES, Block, blocks
from ctrbench.errors import UserError

MARK, NEWLINE = ord('"'), ord("\n")
NONE_HINT = "correct it, or train with data.quote=none if the files have no quoted cells"
LOOK_AHEAD_BYTES = 1 << 20
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quoting:
    """How cells are separated and quoted.

    Attributes:
        separator: one byte.
        is_spaced: spaces after a separator are no part of the cell.
        width: the cells of a row.
        is_quoted: None where the first block with a quotation decides.
        is_declared: by the user, or by a header that is quoted.
    """

    separator: bytes
    is_spaced: bool
    width: int
    is_quoted: bool | None
    is_declared: bool = False


@dataclass(frozen=True)
class Quotations:
    """The quoted cells of some lines.

    Attributes:
        starts: of the opening marks.
        ends: after the closing marks.
        broken: the first opening mark without a proper end.
        is_open: whether more lines may close the broken one.
    """

    starts: Places
    ends: Places
    broken: int | None = None
    is_open: bool = False

    def __bool__(self) -> bool:
        return len(self.starts) > 0 or self.broken is not None


def scan_quotations(data: bytes, quoting: Quoting) -> Quotations:
    """Find the quoted cells of data that begins with a row."""
    if b'"' not in data:
        return Quotations(np.empty(0, np.int64), np.empty(0, np.int64))
    regular = None if quoting.is_spaced else _scan_regular(data, quoting.separator)
    return _scan_any(data, quoting) if regular is None else regular


def _scan_regular(data: bytes, separator: bytes) -> Quotations | None:
    """Find quotations by pairing marks in turn; None where a mark is out of place for that."""
    raw = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(raw == MARK)
    opens, closes = marks[0::2], marks[1::2]
    bounds = np.array([ord(separator), NEWLINE], np.uint8)
    doubled = np.zeros(len(opens), bool)  # opens again where it has just closed
    doubled[1:] = opens[1:] == closes[: len(opens) - 1] + 1
    if not (doubled | (opens == 0) | np.isin(raw[opens - 1], bounds)).all():
        return None
    after = np.isin(raw[np.minimum(closes + 1, len(raw) - 1)], bounds) | (closes + 1 == len(raw))
    after[: len(opens) - 1] |= doubled[1 : len(closes) + 1]
    if not after.all():
        return None
    starts = opens[~doubled]
    is_last = np.ones(len(closes), bool)
    is_last[: len(opens) - 1] = ~doubled[1:][: len(closes)]
    if len(opens) == len(closes):
        return Quotations(starts, closes[is_last] + 1)
    ends = closes[is_last] + 1
    return Quotations(starts[:-1], ends[: len(starts) - 1], int(starts[-1]), is_open=True)


def _scan_any(data: bytes, quoting: Quoting) -> Quotations:
    cells, broken = list[tuple[int, int]](), None
    for match in _quotation_pattern(quoting.separator, quoting.is_spaced).finditer(data):
        if match["end"] is None:
            broken = match
            break
        cells.append((match.start("mark"), match.end()))
    starts, ends = np.array(cells, np.int64).reshape(-1, 2).T
    if broken is None:
        return Quotations(starts, ends)
    return Quotations(starts, ends, broken.start("mark"), is_open=broken.end() == len(data))


@cache
def _quotation_pattern(separator: bytes, is_spaced: bool) -> re.Pattern[bytes]:
    cell, space = re.escape(separator), b" *" if is_spaced else b""
    return re.compile(
        rb"(?:\A|[\n%b])%b(?P<mark>\")[^\"]*+(?:\"\"[^\"]*+)*+(?P<end>\"(?=[\n%b]|\Z))?"
        % (cell, space, cell)
    )


def rows_of_lines(
    path: Path, quoting: Quoting, block_bytes: int = BLOCK_BYTES, *, first_line: int = 1
) -> Iterator[tuple[Block, bool]]:
    """Yield blocks of whole rows, and whether they have quoted cells.

    Args:
        first_line: the first line that is a row; those before it are left out.
    """
    ready = list[tuple[Block, bool]]()  # until the rows after them are known to be whole
    for rows in _whole_rows(path, quoting, block_bytes, first_line):
        yield from ready
        ready = [rows]
    yield from ready


def _whole_rows(
    path: Path, quoting: Quoting, block_bytes: int, first_line: int
) -> Iterator[tuple[Block, bool]]:
    is_quoted, unfinished = quoting.is_quoted, Block(1, b"", 0.0)
    lines = blocks(path, block_bytes, blank_end=quoting.width == 1)
    for block in chain(lines, (None,)):
        is_end = block is None
        block = _join(unfinished, _without_lines(block, first_line) if block else unfinished)
        quotations = scan_quotations(block.data, quoting)
        if is_quoted is None and quotations:
            may_wait = not is_end and len(block.data) <= max(2 * block_bytes, LOOK_AHEAD_BYTES)
            is_quoted = uses_quotes(block.data, quotations, quoting, may_wait=may_wait)
            if is_quoted is None:
                unfinished = block
                continue
        has_quotes = bool(is_quoted and quotations)
        end = _check_quotations(path, block, quotations, quoting) if has_quotes else None
        data = block.data[:end]
        unfinished = Block(block.line + data.count(b"\n"), block.data[len(data) :], block.share)
        if unfinished.data and (is_end or len(unfinished.data) > UNCLOSED_BYTES):
            raise _unclosed_error(path, block, quotations)
        if data:
            yield Block(block.line, data, block.share), has_quotes


def _join(held: Block, block: Block) -> Block:
    if block is held or not held.data:
        return block
    return Block(held.line, held.data + block.data, block.share)


def _without_lines(block: Block, first_line: int) -> Block:
    """Leave out the lines before a line."""
    lines = first_line - block.line
    if lines <= 0:
        return block
    parts = block.data.split(b"\n", lines)
    return Block(first_line, parts[lines] if len(parts) > lines else b"", block.share)


def uses_quotes(
    data: bytes, quotations: Quotations, quoting: Quoting, *, may_wait: bool = False
) -> bool | None:
    """Return whether the marks of the first lines that have any are quotations.

    They are not where every line has the right number of cells without them, and one of them would
    not end within its cell; unless marks are doubled, or half of the lines have quoted cells. None
    where more lines have to be read (``may_wait``).
    """
    raw = np.frombuffer(data, np.uint8)
    if (_count_cells(raw, quoting.separator) != quoting.width).any():
        return True
    bounds = np.flatnonzero((raw == NEWLINE) | (raw == ord(quoting.separator)))
    starts, ends = quotations.starts, quotations.ends
    crossing = np.searchsorted(bounds, starts) != np.searchsorted(bounds, ends)
    if quotations.broken is None and not crossing.any():
        return True
    within = [data[a + 1 : b - 1] for a, b in zip(starts[~crossing], ends[~crossing], strict=True)]
    doubled = any(b'""' in cell for cell in within)
    if doubled or 2 * len(within) > data.count(b"\n"):
        return True
    return None if may_wait and quotations.is_open and not crossing.any() else False


def _count_cells(raw: npt.NDArray[np.uint8], separator: bytes) -> Places:
    """Count the cells of every line as if marks were plain characters."""
    ends = np.flatnonzero(raw == NEWLINE)
    separators = np.flatnonzero(raw == ord(separator))
    return np.diff(np.searchsorted(separators, ends), prepend=0) + 1


def _check_quotations(path: Path, block: Block, quotations: Quotations, quoting: Quoting) -> int:
    """Return the length of the whole rows, or refuse a quotation among them."""
    starts, ends = quotations.starts, quotations.ends
    if quotations.broken is not None and not quotations.is_open:
        raise _unclosed_error(path, block, quotations)
    breaks = np.flatnonzero(np.frombuffer(block.data, np.uint8) == NEWLINE)
    first, last = np.searchsorted(breaks, starts), np.searchsorted(breaks, ends)
    if not quoting.is_declared:
        for i in np.flatnonzero(first != last):
            _check_swallowed(path, block, int(starts[i]), int(ends[i]), quoting)
    if quotations.broken is None:
        return len(block.data)
    before = breaks[breaks < quotations.broken]
    is_within = np.searchsorted(starts, before) > np.searchsorted(ends, before, "right")
    row_ends = before[~is_within]
    return int(row_ends[-1]) + 1 if len(row_ends) else 0


def _check_swallowed(path: Path, block: Block, start: int, end: int, quoting: Quoting) -> None:
    """Refuse a quoted cell of several lines if each of them is a whole row without quotes."""
    data = block.data
    lines = data[data.rfind(b"\n", 0, start) + 1 : data.find(b"\n", end)].split(b"\n")
    if all(line.count(quoting.separator) == quoting.width - 1 for line in lines):
        at = block.line + data[:start].count(b"\n")
        raise UserError(
            f"{path}, line {at}: a quotation begins here and ends {len(lines) - 1} lines below, "
            f"but each of these lines has {quoting.width} columns without it; train with "
            "data.quote=none, or data.quote=double if they are one cell"
        )


def _unclosed_error(path: Path, block: Block, quotations: Quotations) -> UserError:
    start = quotations.broken if quotations.broken is not None else 0
    at = block.line + block.data[:start].count(b"\n")
    what = "is never closed" if quotations.is_open else "does not end its cell"
    return UserError(f"{path}, line {at}: a quotation mark that {what} begins here; {NONE_HINT}")
