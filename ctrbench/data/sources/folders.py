"""The files that a user names: one, a folder, a pattern, or a list of these, and the columns that
folders named KEY=VALUE give (Hive partitions, as Spark, Dask and Ray Data write them)."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from ctrbench.data.sources.compression import DAMAGED, chunks, is_parquet
from ctrbench.data.sources.rows import Cells, Read
from ctrbench.errors import UserError
from ctrbench.files import expanded

PARTITION = re.compile(r"([^=]+)=(.*)", re.DOTALL)
MISSING = "__HIVE_DEFAULT_PARTITION__"  # the value of a row that has none
HEAD_BYTES = 1 << 20
Partition = dict[str, str | None]  # the value of each column that folders give


def names_several(named: Any) -> bool:
    """Return whether a user names more than one plain file: a list, a folder or a pattern."""
    return isinstance(named, list) or os.path.isdir(expanded(named)) or _is_pattern(named)


def find_files(key: str, named: Any) -> dict[Path, Partition]:
    """Return the files that a user names, each folder and pattern in the natural order of its
    names, and what their folders say. A plain file need not be there.

    Names that begin with ``_`` or ``.``, and ``.crc`` files, are no rows: engines write them beside
    their parts.

    Args:
        key: the option that names them, for messages.

    Raises:
        UserError: for a folder or a pattern without files, and a file that is named twice.
    """
    files: dict[Path, Partition] = {}
    for name in named if isinstance(named, list) else [named]:
        for path, partition in _files_of(key, name).items():
            if path in files:
                raise UserError(f"{key}: {path} is named twice; name it once")
            files[path] = partition
    if not files:
        raise UserError(f"{key}=[]: names no file; give one, a folder, or several")
    return files


def _is_pattern(named: str) -> bool:
    return glob.has_magic(named) and not os.path.exists(expanded(named))


def _files_of(key: str, named: str) -> dict[Path, Partition]:
    path = expanded(named)
    if os.path.isdir(path):
        root, found = path, list(_walk(path))
        if not found:
            raise UserError(f"{path}: a folder without files of rows; name another with {key}=")
    elif _is_pattern(named):
        fixed = [part for part in path.parts if not glob.has_magic(part)]
        root = Path(*path.parts[: next(i for i, p in enumerate(path.parts) if p not in fixed)])
        found = list(dict.fromkeys(_matches(path)))
        if not found:
            raise UserError(f"{key}={named}: matches no file; check the pattern")
    else:
        root, found = path.parent, [path]
    while PARTITION.fullmatch(root.name):
        root = root.parent
    found.sort(key=natural_order)
    return {file: _partition(file.relative_to(root)) for file in found}


def _matches(pattern: Path) -> Iterator[Path]:
    for match in map(Path, glob.glob(str(pattern), recursive=True)):
        if not any(map(_is_ignored, match.parts[len(pattern.parts) - 1 :])):
            yield from _walk(match) if match.is_dir() else [match]


def _walk(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder, and below those that its links name."""
    real = folder.resolve()
    if real in above:
        raise UserError(f"{folder}: a link to a folder that it lies in; remove it")
    try:
        entries = [folder / entry.name for entry in os.scandir(folder)]
    except PermissionError:
        raise UserError(f"{folder}: may not be read; change its permissions") from None
    for path in entries:
        if not _is_ignored(path.name):
            yield from _walk(path, (*above, real)) if path.is_dir() else [path]


def _is_ignored(name: str) -> bool:
    is_hidden = name.startswith((".", "_")) and not PARTITION.fullmatch(name)
    return is_hidden or name.endswith(".crc")


def natural_order(path: Path) -> list[list[str | int]]:
    """Return a key by which ``part-2`` comes before ``part-10``."""
    pieces = [re.split(r"([0-9]+)", part) for part in path.parts]
    return [[int(p) if i % 2 else p for i, p in enumerate(part)] for part in pieces]


def _partition(file: Path) -> Partition:
    found = (PARTITION.fullmatch(part) for part in file.parts[:-1])
    values = {match[1]: unquote(match[2]) for match in found if match}
    return {name: None if value == MISSING else value for name, value in values.items()}


def is_empty(path: Path, header_lines: int) -> bool:
    """Return whether a part has no rows, as engines write them for partitions without any.

    Args:
        header_lines: at the beginning of a text file.
    """
    if path.stat().st_size == 0:
        return True
    if is_parquet(path):
        return _parquet_rows(path) == 0
    try:
        with path.open("rb") as file:
            head = next(iter(chunks(file, path, HEAD_BYTES)), b"").strip()
    except DAMAGED:
        return False  # the reader of the rows says where
    return not head or head.count(b"\n") < header_lines


def _parquet_rows(path: Path) -> int | None:
    try:
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError):
        return None  # the reader of the rows says what is wrong


def check_one_kind(paths: list[Path]) -> None:
    """Refuse Parquet files beside text files."""
    first, is_first = paths[0], is_parquet(paths[0])
    for path in paths[1:]:
        if is_parquet(path) != is_first:
            kinds = ("text", "Parquet")
            raise UserError(
                f"{path}: {kinds[not is_first]}, but {first} is {kinds[is_first]}; name files of "
                "one kind"
            )


def add_partition(read: Read, partition: Partition) -> Cells:
    """Read cells with the columns that the folders of their file give."""
    cells = read()
    columns = [pl.lit(value, pl.String).alias(name) for name, value in partition.items()]
    return replace(cells, frame=cells.frame.with_columns(columns))
