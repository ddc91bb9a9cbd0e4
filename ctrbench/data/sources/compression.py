"""Files of text as they come: compressed or not, by their content, whatever their name says."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from ctrbench.data.sources.raw import why_no_file
from ctrbench.errors import UserError

HEAD_BYTES = 1 << 16
DAMAGED = (
    EOFError,
    lzma.LZMAError,
    gzip.BadGzipFile,
    zlib.error,
    zstandard.ZstdError,
    zipfile.BadZipFile,
)
# The first bytes of a compressed file; those of bzip2 are long, as a header may begin with BZh.
OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
BZIP2 = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
ZSTANDARD = tuple([b"\x28\xb5\x2f\xfd", *(bytes([0x50 + i]) + b"\x2a\x4d\x18" for i in range(16))])
ZIP = b"PK\x03\x04"
PARQUET = b"PAR1"
# What is no text, by its first bytes, and what to do with it.
TO_TEXT = "save it as CSV or Parquet"
REFUSED = {
    PARQUET: ("Parquet data", "data=table reads it, uncompressed"),
    ZIP: ("an archive within a compressed file", "extract it"),
    b"\x1f\x8b": ("compressed twice", "decompress it once"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "extract it"),
    b"Rar!\x1a\x07": ("a RAR archive", "extract it"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("an Excel workbook", TO_TEXT),
    b"SQLite format 3\x00": ("an SQLite database", TO_TEXT),
    b"ARROW1\x00": ("an Arrow (Feather) file", TO_TEXT),
    b"ORC\x00": ("an ORC file", TO_TEXT),
    b"Obj\x01": ("an Avro file", TO_TEXT),
    b"\x89HDF\r\n": ("an HDF5 file", TO_TEXT),
    b"\x93NUMPY": ("a NumPy array", TO_TEXT),
}
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet by its content, or else by its name."""
    head = _first_bytes(path)
    if _is_compressed(head):
        return False
    return head.startswith(PARQUET) or path.suffix.lower() in (".parquet", ".pq")


def chunks(file: BinaryIO, path: Path, size: int) -> Iterator[bytes]:
    """Yield the bytes of an opened file of text, decompressed, in pieces of about ``size``.

    Raises:
        EOFError: where a compressed file is cut off; the other errors are DAMAGED.
    """
    head = file.read(16)
    file.seek(0)
    if head.startswith(ZSTANDARD):
        yield from _zstandard_chunks(file)
        return
    opened: Any = file
    if head.startswith(ZIP):
        opened = _only_member(file, path)
    elif _is_compressed(head):
        opened = next(opener(file) for magic, opener in OPENERS.items() if head.startswith(magic))
    while chunk := _read(opened, size):
        yield chunk


def check_text(path: Path, file: BinaryIO) -> None:
    """Refuse a file whose first bytes, decompressed, are no text in UTF-8."""
    raw = file.read(16)
    file.seek(0)
    head = next(chunks(file, path, HEAD_BYTES), b"")
    file.seek(0)
    for magic, (what, how) in REFUSED.items():
        if head.startswith(magic):
            raise UserError(f"{path}: {what}, not text; {how}")
    if head[257:262] == b"ustar":
        raise UserError(f"{path}: a tar archive, not text; extract it (tar -xf)")
    if name := _wide_encoding(head):
        raise UserError(f"{path}: {name} text; {conversion(name, path, _is_compressed(raw))}")
    if b"\n" not in head and b"\r" in head.rstrip(b"\r"):
        raise UserError(
            f"{path}: its lines end in carriage returns alone; write line breaks: "
            "tr '\\r' '\\n' < OLD > NEW"
        )


def conversion(encoding: str, path: Path, is_compressed: bool | None = None) -> str:
    """Return how to convert a file of another encoding."""
    if is_compressed is None:
        is_compressed = _is_compressed(_first_bytes(path))
    first = "decompress it and " if is_compressed else ""
    return f"{first}convert it: iconv -f {encoding} -t UTF-8 OLD > NEW"


def guess_encoding(data: bytes) -> str | None:
    """Return a likely encoding of text that is not UTF-8, where its bytes suggest one."""
    wrong = [line for line in data.split(b"\n")[:10_000] if not _decodes(line, "utf-8")][:100]
    chinese = sum(_decodes(line, "gb2312") for line in wrong)
    if wrong and 2 * chinese > len(wrong):
        return "GBK"
    return "WINDOWS-1252" if all(_decodes(line, "cp1252") for line in wrong) else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(head: bytes) -> str | None:
    """Detect UTF-16 or UTF-32 by its byte order mark or its zeros."""
    for mark, name in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return name
    start = head[:200]
    zeros = [start[offset::2].count(0) for offset in (0, 1)]
    if len(start) >= 8 and min(zeros) == 0 and max(zeros) > len(start) // 4:
        return "UTF-16LE" if zeros[1] else "UTF-16BE"
    return None


def _first_bytes(path: Path) -> bytes:
    if why_no_file(path):
        return b""
    try:
        with path.open("rb") as file:
            return file.read(16)
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions") from None


def _is_compressed(head: bytes) -> bool:
    others = tuple(magic for magic in OPENERS if magic != b"BZh")
    return head.startswith((*others, *BZIP2, *ZSTANDARD, ZIP))


def _read(file: Any, size: int) -> bytes:
    try:
        return bytes(file.read(size))
    except OSError as error:
        if error.errno is None and not isinstance(error, gzip.BadGzipFile):  # of bz2
            raise EOFError(str(error)) from None
        raise


def _only_member(file: BinaryIO, path: Path) -> Any:
    """Return the only file of a zip archive."""
    archive = zipfile.ZipFile(file)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if "[Content_Types].xml" in names:
        raise UserError(f"{path}: an Excel workbook, not text; {TO_TEXT}")
    if len(names) != 1:
        raise UserError(
            f"{path}: a zip archive of {len(names)} files; extract it and name one of them"
        )
    try:
        return archive.open(names[0])
    except (RuntimeError, NotImplementedError) as error:  # a password, another compression
        raise UserError(f"{path}: cannot be decompressed ({error}); extract it") from None


def _zstandard_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Decompress without the library's reader, which takes a cut-off file for a whole one."""
    frame, raw = zstandard.ZstdDecompressor().decompressobj(), b""
    while raw := raw or file.read(1 << 20):
        yield frame.decompress(raw)
        raw = frame.unused_data if frame.eof else b""
        if frame.eof and (raw := raw or file.read(1 << 20)):
            frame = zstandard.ZstdDecompressor().decompressobj()
    if not frame.eof:
        raise EOFError("the last frame has no end")
