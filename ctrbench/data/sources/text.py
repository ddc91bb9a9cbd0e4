"""Delimited text, plain or compressed, as checked blocks of whole lines."""

import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import zstandard

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


def _chunks(file: BinaryIO, suffix: str, size: int) -> Iterator[bytes]:
    """The bytes of a plain, .gz, .xz or .zst file, in pieces of about ``size``.

    Raises:
        EOFError: where a compressed file is cut off.
    """
    if suffix == ".zst":
        yield from _zstandard_chunks(file)
        return
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}
    opened = openers[suffix](file, "rb") if suffix in openers else file
    while chunk := opened.read(size):
        yield chunk


def _zstandard_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Without the library's own reader, which takes a cut-off file for a whole one."""
    frame, raw = zstandard.ZstdDecompressor().decompressobj(), b""
    while raw := raw or file.read(1 << 20):
        yield frame.decompress(raw)
        raw = frame.unused_data if frame.eof else b""
        if frame.eof and (raw := raw or file.read(1 << 20)):
            frame = zstandard.ZstdDecompressor().decompressobj()
    if not frame.eof:
        raise EOFError("the last frame has no end")


def blocks(path: Path, block_bytes: int = BLOCK_BYTES, *, quoted: bool = False) -> Iterator[Block]:
    """Blocks of whole lines, of about ``block_bytes``; CRLF becomes LF.

    Args:
        quoted: a line break between quotation marks ends no line.

    Raises:
        UserError: for a file that is missing, empty, or damaged.
    """
    if what := why_no_file(path):
        raise UserError(f"{path}: {what}; name a file of rows")
    line = 1
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for data in _whole_lines(_chunks(file, path.suffix, block_bytes), block_bytes, quoted):
                data = data.replace(b"\r\n", b"\n")
                yield Block(line, data, file.tell() / size)
                line += data.count(b"\n")
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise UserError(
            f"{path}: the compressed file is damaged or cut off after line {line - 1} ({error}); "
            "fetch it again"
        ) from None
    except UnclosedError:
        what = "a quotation mark that is never closed" if quoted else "no end of the line"
        raise UserError(
            f"{path}, from line {line} on: {what} in {UNCLOSED_BYTES >> 20} MB; mend the file"
        ) from None
    if line == 1:
        raise UserError(f"{path}: the file is empty; name a file with rows")


def _whole_lines(chunks: Iterator[bytes], size: int, quoted: bool) -> Iterator[bytes]:
    """Chunks joined into whole lines of at least ``size`` bytes, but for the last."""
    held: list[bytes] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) < size:
            continue
        data = b"".join(held)
        end = _last_end(data) if quoted else data.rfind(b"\n") + 1
        if end:
            yield data[:end]
        held = [data[end:]]
        if len(held[0]) > UNCLOSED_BYTES:
            raise UnclosedError
    if rest := b"".join(held):
        yield rest if rest.endswith(b"\n") else rest.rstrip(b"\r") + b"\n"


def _last_end(data: bytes) -> int:
    """Bytes up to and including the last line break outside quotation marks."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    raw = np.frombuffer(data, np.uint8)
    between = np.logical_xor.accumulate(raw == ord('"'))
    ends = np.flatnonzero((raw == ord("\n")) & ~between)
    return int(ends[-1]) + 1 if len(ends) else 0


def parse(path: Path, block: Block, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """A block of tab-separated lines as a frame; empty cells are missing.

    Raises:
        UserError: naming file and line of the first that does not fit ``columns``.
    """
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
    """Every line must have ``width`` columns; polars alone fills short lines with nulls."""
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
