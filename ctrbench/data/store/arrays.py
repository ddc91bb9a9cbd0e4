"""The arrays of a store's splits as .npy files, written some rows at a time."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ctrbench.data.split import PARTS
from ctrbench.files import write_atomic

ENCODED = "encoded.json"  # how far an unfinished preparation has come
EXTRA: dict[str, tuple[str, tuple[int, ...]]] = {"truth": ("<f8", ()), "weights": ("<f4", ())}
ZEROS = 2**20  # written at once
Bytes = npt.NDArray[np.uint8]


def create(path: Path, dtype: str, shape: tuple[int, ...]) -> Any:
    """Create a .npy file and return it as a writable memory map.

    Space is allocated up front: a full disk raises here instead of crashing later.
    """
    with path.open("wb") as file:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size:
            _allocate(file, size)
    return np.load(path, mmap_mode="r+")


def _allocate(file: BinaryIO, size: int) -> None:
    """Allocate bytes on disk from the current position of a file."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), file.tell(), size)
        return
    for start in range(0, size, ZEROS):  # macOS: a longer file alone would have holes
        file.write(bytes(min(ZEROS, size - start)))


class Writers:
    """The .npy files of all splits, appended to in the order of the rows.

    Unlike a memory map, a full disk raises here and does not crash.

    Args:
        extra: columns of one number a row that the source has, of ``EXTRA``.

    Attributes:
        rows_done: rows that an earlier process wrote; its files are continued behind them.
    """

    def __init__(
        self, folder: Path, part_rows: list[int], slots: int, values: int, extra: Sequence[str]
    ) -> None:
        self.progress = folder / ENCODED
        self.rows_done = 0
        self.files: dict[tuple[int, str], BinaryIO] = {}
        shapes: dict[str, tuple[str, tuple[int, ...]]] = {
            "ids": ("<i4", (slots,)),
            "values": ("<f4", (values,)),
            "labels": ("|u1", ()),
        }
        shapes |= {name: EXTRA[name] for name in extra}
        done = json.loads(self.progress.read_text()) if self.progress.exists() else None
        if done is not None and any(
            not (folder / name).exists() or (folder / name).stat().st_size < size
            for name, size in done["bytes"].items()
        ):
            done = None  # the system went down before the disk had it all
        for i, name in enumerate(PARTS):
            for what, (dtype, tail) in shapes.items():
                path = folder / f"{name}.{what}.npy"
                file = path.open("wb" if done is None else "r+b")
                if done is None:
                    header = {
                        "descr": dtype,
                        "fortran_order": False,
                        "shape": (part_rows[i], *tail),
                    }
                    np.lib.format.write_array_header_1_0(file, header)
                else:
                    os.truncate(path, done["bytes"][path.name])
                    file.seek(0, os.SEEK_END)
                self.files[i, what] = file
        if done is not None:
            self.rows_done = done["rows"]

    def write(self, parts: Bytes, columns: dict[str, Any]) -> None:
        """Append each row to the files of its split, and record their lengths."""
        for (i, what), file in self.files.items():
            file.write(columns[what][parts == i].tobytes())
            file.flush()
        self.rows_done += len(parts)
        ends = {Path(file.name).name: file.tell() for file in self.files.values()}
        write_atomic(self.progress, json.dumps({"rows": self.rows_done, "bytes": ends}))

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()
