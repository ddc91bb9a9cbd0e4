"""Raw rows to a store, in slices: read and check, split, fit on training rows, encode, rename.

Memory holds a slice, one raw column while it is fitted, and two bytes a row.
"""

import hashlib
import json
import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data import encode
from ctrbench.data.schema import MULTI, NUMERIC, Column, Schema
from ctrbench.data.settings import NUMERIC_ENCODINGS, POOLINGS, DataSettings, SplitSettings
from ctrbench.data.sources import Source, open_source
from ctrbench.data.split import PARTS, assign, check_fractions
from ctrbench.data.store import MANIFEST, Store, file_digests, seal
from ctrbench.errors import UserError
from ctrbench.files import locked, write_atomic
from ctrbench.settings import nearest

FORMAT = 2  # part of every key: a change of layout or encoding must change it
log = logging.getLogger(__name__)


def content_key(settings: DataSettings, split: SplitSettings, source: Source) -> str:
    """The identity of a prepared set: what the rows are and how they are encoded and split."""
    keys = ("numeric", "encodings", "bins", "min_count", "exclude")
    how = {key: getattr(settings, key) for key in keys}
    made_of = [FORMAT, settings.name, source.fingerprint(), how, asdict(split)]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def prepare(settings: DataSettings, split: SplitSettings, results: Path) -> Store:
    """Find the store of these settings under ``results``, or make it.

    Raises:
        UserError: for rows that cannot be used; nothing is left behind then.
    """
    check_fractions(split)
    source = open_source(settings)
    encodings = field_encodings(settings, source)
    key = content_key(settings, split, source)
    folder = results / "stores" / settings.name / key
    with locked(folder.with_suffix(".lock")):
        if not (folder / MANIFEST).exists():
            started = time.perf_counter()
            work = folder.with_suffix(".partial")
            shutil.rmtree(work, ignore_errors=True)
            try:
                manifest = _Preparation(source, settings, split, encodings, work).run()
                manifest |= {"key": key, "seconds": time.perf_counter() - started}
                write_atomic(work / MANIFEST, json.dumps(seal(manifest), indent=1))
                shutil.rmtree(folder, ignore_errors=True)
                work.rename(folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return Store(folder)


def field_encodings(settings: DataSettings, source: Source) -> dict[str, str]:
    """The encoding of every field that is not left out.

    Raises:
        UserError: for a name or an encoding that does not exist.
    """
    kinds = {column.name: column.kind for column in source.columns}
    for name in settings.exclude:
        if name not in kinds:
            raise UserError(f"data.exclude={name}: no such field; {nearest(name, kinds)}")
    allowed = {NUMERIC: NUMERIC_ENCODINGS, MULTI: POOLINGS}
    default = {NUMERIC: settings.numeric, MULTI: POOLINGS[0]}
    chosen = {name: default.get(kind, "vocabulary") for name, kind in kinds.items()}
    choosable = [name for name, kind in kinds.items() if kind in allowed]
    for item in settings.encodings:
        name, _, encoding = item.partition(":")
        if name not in choosable:
            hint = nearest(name, choosable) if choosable else "this set has none"
            raise UserError(
                f"data.encodings={item}: no field {name} of numbers or of several values; {hint}"
            )
        if encoding not in allowed[kinds[name]]:
            hint = nearest(encoding, allowed[kinds[name]])
            raise UserError(f"data.encodings={item}: not known; {hint}")
        chosen[name] = encoding
    kept = {name: way for name, way in chosen.items() if name not in settings.exclude}
    if not kept:
        raise UserError(f"data.exclude={settings.exclude}: no field is left; keep one")
    return kept


class _Preparation:
    """One preparation, in a folder of its own."""

    def __init__(
        self,
        source: Source,
        settings: DataSettings,
        split: SplitSettings,
        encodings: dict[str, str],
        work: Path,
    ) -> None:
        self.source, self.settings, self.split, self.encodings = source, settings, split, encodings
        self.columns = [column for column in source.columns if column.name in encodings]
        self.work = work
        self.slices: list[Path] = []
        self.has_truth = False

    def run(self) -> dict[str, Any]:
        (self.work / "vocabulary").mkdir(parents=True)
        parts, labels = self._read()
        counts = self._check_classes(parts, labels)
        encoders = [self._fit(column, parts == 0) for column in self.columns]
        self._encode(encoders, parts, [count["rows"] for count in counts.values()])
        for path in self.slices:
            path.unlink()
        return {
            "fields": Schema(tuple(encoder.field for encoder in encoders)).to_json(),
            "parts": counts,
            "settings": asdict(self.settings),
            "split": asdict(self.split),
            "files": file_digests(self.work),
        }

    def _read(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Raw slices to Parquet; the part and the label of every row."""
        named, labels, rows = [], [], 0
        for part, frame in self.source.slices():
            path = self.work / f"slice-{len(self.slices):05}.parquet"
            _write_parquet(frame, path)
            self.slices.append(path)
            self.has_truth = "truth" in frame.columns
            named.append(part)
            labels.append(frame["label"].to_numpy())
            rows += len(frame)
            if len(self.slices) % 10 == 0:
                log.info("read %s rows", f"{rows:,}")
        parts, start = [], 0
        for part, column in zip(named, labels, strict=True):
            if part == "all":
                parts.append(assign(self.split, start, len(column), rows))
            else:
                parts.append(np.full(len(column), PARTS.index(part), np.uint8))
            start += len(column)
        return np.concatenate(parts), np.concatenate(labels)

    def _check_classes(
        self, parts: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]
    ) -> dict[str, dict[str, int]]:
        counts = {}
        for i, name in enumerate(PARTS):
            own = labels[parts == i]
            rows, clicks = len(own), int(own.sum())
            if clicks in (0, rows):
                what = "no rows" if rows == 0 else f"{rows} rows of only one class"
                raise UserError(
                    f"the {name} rows of data={self.settings.name}: {what}; give more rows, "
                    "with both labels, or another split"
                )
            counts[name] = {"rows": rows, "clicks": clicks}
        return counts

    def _fit(self, column: Column, is_train: npt.NDArray[np.bool_]) -> Any:
        frame = pl.scan_parquet(self.slices).select(pl.col(column.name).alias("value")).collect()
        slots = 1
        train = frame.filter(pl.Series(is_train))
        if column.kind == MULTI:
            slots = max(1, int(frame["value"].list.len().max() or 0))  # type: ignore[arg-type]
            train = train.explode("value", empty_as_null=True, keep_nulls=True)
        encoder = encode.fit(
            column,
            self.encodings[column.name],
            train.group_by("value").agg(pl.len().alias("count")),
            min_count=self.settings.min_count,
            bins=self.settings.bins,
            slots=slots,
        )
        _write_parquet(encoder.state(), self.work / "vocabulary" / f"{column.name}.parquet")
        return encoder

    def _encode(
        self, encoders: list[Any], parts: npt.NDArray[np.uint8], part_rows: list[int]
    ) -> None:
        scaled = [encoder for encoder in encoders if encoder.field.encoding == "value"]
        slots = sum(encoder.field.slots for encoder in encoders)
        start = 0
        with _Writers(self.work, part_rows, slots, len(scaled), self.has_truth) as writers:
            for path in self.slices:
                frame = pl.read_parquet(path)
                rows = len(frame)
                own = parts[start : start + rows]
                ids_NS = np.empty((rows, slots), np.int32)
                slot = 0
                for encoder in encoders:
                    ids = encoder.ids(frame[encoder.field.name])
                    ids_NS[:, slot : slot + encoder.field.slots] = ids.reshape(rows, -1)
                    slot += encoder.field.slots
                values_NX = np.empty((rows, len(scaled)), np.float32)
                for i, encoder in enumerate(scaled):
                    values_NX[:, i] = encoder.values(frame[encoder.field.name])
                columns = {"ids": ids_NS, "values": values_NX, "labels": frame["label"].to_numpy()}
                if self.has_truth:
                    columns["truth"] = frame["truth"].to_numpy()
                writers.write(own, columns)
                start += rows
                log.info("encoded %s of %s rows", f"{start:,}", f"{len(parts):,}")


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    try:
        frame.write_parquet(path, compression="lz4", statistics=False)
    except pl.exceptions.PolarsError as error:  # a full disk, in other words than an OSError's
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be written ({reason}); free the space") from None


class _Writers:
    """The .npy files of all parts, written row by row: unlike a memory map, a full disk is an
    error here and not a crash."""

    def __init__(
        self, folder: Path, part_rows: list[int], slots: int, values: int, truth: bool
    ) -> None:
        self.files: dict[tuple[int, str], BinaryIO] = {}
        shapes: dict[str, tuple[str, tuple[int, ...]]] = {
            "ids": ("<i4", (slots,)),
            "values": ("<f4", (values,)),
            "labels": ("|u1", ()),
        }
        if truth:
            shapes["truth"] = ("<f8", ())
        for i, name in enumerate(PARTS):
            for what, (dtype, tail) in shapes.items():
                file = (folder / f"{name}.{what}.npy").open("wb")
                header = {"descr": dtype, "fortran_order": False, "shape": (part_rows[i], *tail)}
                np.lib.format.write_array_header_1_0(file, header)
                self.files[i, what] = file

    def write(self, parts: npt.NDArray[np.uint8], columns: dict[str, Any]) -> None:
        """Append each row to the files of its part."""
        for (i, what), file in self.files.items():
            file.write(columns[what][parts == i].tobytes())

    def __enter__(self) -> "_Writers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self.files.values():
            file.close()
