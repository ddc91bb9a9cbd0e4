"""The raw rows of each split as Parquet files, to train another system on.

``rows.json`` beside them names the data set's content, the label, the row number and the kind of
every column, and the SHA-256 of the files; it is written last.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from ctrbench.data.dataset import Dataset
from ctrbench.data.schema import LABEL, WEIGHT
from ctrbench.data.split import PARTS
from ctrbench.data.store.arrays import Bytes
from ctrbench.data.store.prepare import content_key
from ctrbench.data.store.splitting import split_rows
from ctrbench.data.store.stages import (
    Reading,
    check_disk,
    join_parquet,
    rows_of,
    write_parquet,
)
from ctrbench.errors import DiskError, UserError
from ctrbench.files import file_digest, locked, write_atomic
from ctrbench.progress import Progress

MANIFEST = "rows.json"


def row_column(dataset: Dataset) -> str:
    """Return the name of the column of row numbers: ``row``, with as many ``_`` behind it as make
    it another than those of the rows."""
    name = "row"
    while name in (*dataset.encodings, dataset.source.label, dataset.source.weight):
        name += "_"
    return name


def write_rows(dataset: Dataset, folder: Path) -> dict[Path, int]:
    """Write ``train.parquet``, ``valid.parquet`` and ``test.parquet``; return their rows by path.

    They have the raw values of the fields (categories as text), the label (1 or 0), and the number
    of each row within the data set, from 0. Rows keep their order. Memory holds a few slices, and
    two bytes a row; a call that was killed goes on behind the last slice that was read. Files that
    are whole already are left as they are.

    Raises:
        UserError: for rows that cannot be used, and for a folder that is a file.
        OSError: for a failed write. What was read is kept then, and on a full disk.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"out={folder}: is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        counts = _written(folder, dataset.content)
        if counts is None:
            counts = _Writing(dataset, folder).run()
    return {_path(folder, name): count for name, count in counts.items()}


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _written(folder: Path, content: str) -> dict[str, int] | None:
    """Return the rows of each split if the folder holds all of this content."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        digests = {name: file_digest(folder / name) for name in manifest["files"]}
        is_whole = manifest["content"] == content and manifest["files"] == digests
        return dict(manifest["rows"]) if is_whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Writing:
    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset, self.folder, self.row = dataset, folder, row_column(dataset)
        self.label, self.weight = dataset.source.label, dataset.source.weight
        used = {*dataset.encodings, *dataset.source.settings.sequence_columns}
        self.fields = [column for column in dataset.source.columns if column.name in used]
        self.work = folder.with_name(f".{folder.name}-{dataset.content}.partial")

    def run(self) -> dict[str, int]:
        for other in self.folder.parent.glob(f".{self.folder.name}-*.partial"):
            if other != self.work:  # of a killed call, for other rows
                shutil.rmtree(other)
        self.work.mkdir(exist_ok=True)
        try:
            self._write(Reading(self.dataset.source, self.work).run())
            if content_key(self.dataset.source, self.dataset.split) != self.dataset.content:
                raise UserError(
                    f"data={self.dataset.settings.name}: a file was changed while it was read; "
                    "run again"
                )
            return self._finish()
        except UserError as error:
            if not isinstance(error, DiskError):
                shutil.rmtree(self.work)
            raise

    def _write(self, slices: list[Path]) -> None:
        """Write the rows of every slice to a piece for each split."""
        parts, _, _ = split_rows(self.dataset.source, self.dataset.split, slices)
        size = sum(path.stat().st_size for path in slices)
        check_disk(self.work, 2 * size, len(parts), "*/*.parquet")
        for name in PARTS:
            (self.work / name).mkdir(exist_ok=True)
        start = 0
        with Progress("written", total=len(parts)) as progress:
            for path in slices:
                rows = rows_of(path)
                self._write_pieces(path, start, parts[start : start + rows])
                progress.update(rows)
                start += rows

    def _write_pieces(self, path: Path, start: int, parts: Bytes) -> None:
        frame = self.dataset.source.as_in_files(pl.read_parquet(path))
        rows = frame.select(
            pl.int_range(start, start + len(frame), dtype=pl.Int64).alias(self.row),
            (pl.col(LABEL) > 0).cast(pl.UInt8).alias(self.label),
            *([] if self.weight is None else [pl.col(WEIGHT).alias(self.weight)]),
            *(field.name for field in self.fields),
        )
        for i, name in enumerate(PARTS):
            write_parquet(rows.filter(pl.Series(parts == i)), self.work / name / path.name)

    def _finish(self) -> dict[str, int]:
        """Join the pieces of each split, put the files into their place, and declare them whole."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        manifest: dict[str, Any] = {
            "data": self.dataset.settings.name,
            "content": self.dataset.content,
            "row": self.row,
            "label": self.label,
            "weight": self.weight,
            "columns": {field.name: field.kind for field in self.fields},
            "rows": {},
            "files": {},
        }
        for name in PARTS:
            pieces, path = sorted((self.work / name).iterdir()), _path(self.folder, name)
            join_parquet(pieces, path)
            manifest["rows"][name] = sum(map(rows_of, pieces))
            manifest["files"][path.name] = file_digest(path)
        write_atomic(self.folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
        shutil.rmtree(self.work)
        return dict(manifest["rows"])
