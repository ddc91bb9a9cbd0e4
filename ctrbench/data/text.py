"""Delimited text, plain or compressed, as checked blocks of whole lines."""

import functools
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import zstandard

from ctrbench.errors import UserError

BLOCK_BYTES = 32 << 20


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    """The bytes of a plain, .gz, .xz or .zst file, in pieces.

    Raises:
        EOFError: where a compressed file is cut off.
    """
    if path.suffix == ".zst":
        yield from _zstandard_chunks(path)
        return
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}
    opener = openers.get(path.suffix, open)
    with opener(path, "rb") as file:
        while chunk := file.read(size):
            yield chunk


def _zstandard_chunks(path: Path) -> Iterator[bytes]:
    """The library's own reader takes a cut-off file for a whole one."""
    with path.open("rb") as file:
        frame, raw = zstandard.ZstdDecompressor().decompressobj(), b""
        while raw := raw or file.read(1 << 20):
            yield frame.decompress(raw)
            raw = frame.unused_data if frame.eof else b""
            if frame.eof and (raw := raw or file.read(1 << 20)):
                frame = zstandard.ZstdDecompressor().decompressobj()
        if not frame.eof:
            raise EOFError("the last frame has no end")


def blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines with the number of their first line (from 1); CRLF becomes LF.

    Raises:
        UserError: for a file that is missing, empty, or damaged.
    """
    line, rest = 1, b""
    try:
        for chunk in _chunks(path, block_bytes):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                block = (whole + newline).replace(b"\r\n", b"\n")
                yield line, block
                line += block.count(b"\n")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name one with data.path=FILE") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder; name a file with data.path=FILE") from None
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise UserError(
            f"{path}: the compressed file is damaged or cut off after line {line - 1} ({error}); "
            "fetch it again"
        ) from None
    if rest:
        yield line, rest.replace(b"\r\n", b"\n").rstrip(b"\r") + b"\n"
    elif line == 1:
        raise UserError(f"{path}: the file is empty; name a file with rows")


def content_digest(path: Path) -> str:
    """A hash of a file's bytes, read once a process and version of the file."""
    return _digest(path, path.stat().st_mtime_ns)


@functools.cache
def _digest(path: Path, modified_ns: int) -> str:
    """Read once a process and version of the file: a full set takes many seconds."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions") from None


def parse(path: Path, line: int, block: bytes, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """A block of tab-separated lines as a frame; empty cells are missing.

    Raises:
        UserError: naming file and line of the first that does not fit ``columns``.
    """
    _check_widths(path, line, block, len(columns))
    options = {"separator": "\t", "has_header": False, "quote_char": None}
    try:
        return pl.read_csv(io.BytesIO(block), schema=columns, **options)  # type: ignore[arg-type]
    except pl.exceptions.PolarsError:
        pass  # slower, but it can say where
    text = block.decode("utf-8", errors="replace").split("\n")
    for offset, row in enumerate(text[:-1]):
        for (name, kind), cell in zip(columns.items(), row.split("\t"), strict=True):
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


def _check_widths(path: Path, line: int, block: bytes, width: int) -> None:
    """Every line must have ``width`` columns; polars alone fills short lines with nulls."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    tabs = np.flatnonzero(data == ord("\t"))
    per_line = np.diff(np.searchsorted(tabs, ends), prepend=0) + 1
    wrong = np.flatnonzero(per_line != width)
    if len(wrong):
        first = int(wrong[0])
        raise UserError(
            f"{path}, line {line + first}: {per_line[first]} columns, expected {width}; "
            "mend or remove the line"
        )
