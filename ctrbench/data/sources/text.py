"""Delimited text, plain or compressed, as checked blocks of whole lines."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.sources.compression import (
    DAMAGED,
    check_text,
    chunks,
    conversion,
    guess_encoding,
)
from ctrbench.data.sources.raw import why_no_file
from ctrbench.errors import UserError

BLOCK_BYTES = 32 << 20
UNCLOSED_BYTES = 256 << 20  # without the end of a line, or of a quotation


class UnclosedError(Exception):
    """No line ends in so many bytes."""


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        line: number of the first, from 1.
        share: of the file's bytes that are read when this block is.
    """

    line: int
    data: bytes
    share: float


def blocks(
    path: Path, block_bytes: int = BLOCK_BYTES, *, blank_end: bool = False
) -> Iterator[Block]:
    """Yield blocks of whole lines, of about ``block_bytes``; CRLF becomes LF.

    Args:
        blank_end: keep blank lines at the end of the file.
    """
    if what := why_no_file(path):
        raise UserError(f"{path}: {what}; name a file of rows")
    line = 1
    try:
        with path.open("rb") as file:
            check_text(path, file)
            size = os.fstat(file.fileno()).st_size
            pieces = _whole_lines(chunks(file, path, block_bytes), block_bytes)
            for data in pieces if blank_end else _without_blank_end(pieces):
                data = data.replace(b"\r\n", b"\n")
                yield Block(line, data, min(1.0, file.tell() / size))
                line += data.count(b"\n")
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions") from None
    except DAMAGED as error:
        raise UserError(
            f"{path}: the compressed file is damaged or cut off after line {line - 1} ({error}); "
            "fetch it again"
        ) from None
    except UnclosedError:
        raise UserError(
            f"{path}, from line {line} on: no end of the line in {UNCLOSED_BYTES >> 20} MB; mend "
            "the file"
        ) from None
    if line == 1:
        raise UserError(f"{path}: the file is empty; name a file with rows")


def _whole_lines(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Join chunks into whole lines of at least ``size`` bytes, but for the last."""
    unfinished: list[bytes] = []
    for piece in pieces:
        unfinished.append(piece)
        if sum(map(len, unfinished)) < size:
            continue
        data = b"".join(unfinished)
        if end := data.rfind(b"\n") + 1:
            yield data[:end]
        unfinished = [data[end:]]
        if len(unfinished[0]) > UNCLOSED_BYTES:
            raise UnclosedError
    if rest := b"".join(unfinished):
        yield rest if rest.endswith(b"\n") else rest.rstrip(b"\r") + b"\n"


def _without_blank_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Drop the blank lines after the last one that is not blank."""
    blank_end = b""
    for data in pieces:
        data = blank_end + data
        end = len(data)
        while end and not data[(start := data.rfind(b"\n", 0, end - 1) + 1) : end].strip(b" \r\n"):
            end = start
        if end:
            yield data[:end]
        blank_end = data[end:]


def decode(path: Path, block: Block) -> str:
    """Return a block as text."""
    try:
        return block.data.decode()
    except UnicodeDecodeError as error:
        line = block.line + block.data[: error.start].count(b"\n")
        encoding = guess_encoding(block.data[block.data.rfind(b"\n", 0, error.start) + 1 :])
        how = conversion(encoding, path) if encoding else "convert the file"
        likely = f", it seems {encoding}" if encoding else ""
        raise UserError(f"{path}, line {line}: not UTF-8 text{likely}; {how}") from None


def parse(path: Path, block: Block, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """Parse a block of tab-separated lines to a frame; empty cells are missing."""
    line, data = block.line, block.data
    if data.count(b"\t") != (len(columns) - 1) * data.count(b"\n"):
        check_widths(path, block, len(columns), b"\t")
    options = {"separator": "\t", "has_header": False, "quote_char": None}
    try:
        return pl.read_csv(io.BytesIO(data), schema=columns, **options)  # type: ignore[arg-type]
    except pl.exceptions.PolarsError:
        # Slower, but it can say where; among them a long line, and so a short one too.
        check_widths(path, block, len(columns), b"\t")
    text = data.decode("utf-8", errors="replace").split("\n")
    for offset, row in enumerate(text[:-1]):
        for (column, kind), cell in zip(columns.items(), row.split("\t"), strict=True):
            name = column.strip("_")  # LABEL is the label
            if "�" in cell:
                raise UserError(f"{path}, line {line + offset}, column {name}: not UTF-8 text")
            if cell and kind.is_integer() and not _is_int(cell):
                raise UserError(
                    f"{path}, line {line + offset}, column {name}: {cell[:40]!r} is not an integer"
                    + _allowed(kind)
                )
    raise UserError(f"{path}, line {line}: the rows from here on cannot be read; check the file")


def _allowed(kind: pl.DataType) -> str:
    return "; give whole numbers, or leave the cell empty" if kind == pl.Int64() else ""


def _is_int(cell: str) -> bool:
    try:
        return -(2**63) <= int(cell) < 2**63 and "_" not in cell and cell == cell.strip()
    except ValueError:
        return False


def check_widths(path: Path, block: Block, width: int, separator: bytes) -> None:
    """Refuse lines without ``width`` columns, which polars alone would fill with nulls."""
    data = np.frombuffer(block.data, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    separators = np.flatnonzero(data == ord(separator))
    per_line = np.diff(np.searchsorted(separators, ends), prepend=0) + 1
    wrong = np.flatnonzero(per_line != width)
    if len(wrong):
        first = int(wrong[0])
        raise UserError(
            f"{path}, line {block.line + first}: {per_line[first]} columns, expected {width}; "
            "mend or remove the line"
        )
