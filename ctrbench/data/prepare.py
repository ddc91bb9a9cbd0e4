"""Raw rows to a store: read and check, split, fit on training rows, encode, rename.

A preparation works in a folder named by its content and in three stages, each of small pieces that
are written to one side and renamed: raw slices, then a vocabulary per column, then groups of
encoded rows. One that was killed goes on behind its last piece and gives the same bytes. Memory
holds a few slices, or the counts of one column, and two bytes a row.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data import encode
from ctrbench.data.schema import LABEL, MULTI, NUMERIC, TRUTH, Column, Field, Slice
from ctrbench.data.settings import NUMERIC_ENCODINGS, POOLINGS, DataSettings, SplitSettings
from ctrbench.data.sources import Source, open_source
from ctrbench.data.split import PARTS, assign, check_fractions
from ctrbench.data.store import MANIFEST, Store, file_digests, read_encoder, seal, vocabulary_path
from ctrbench.data.table import Table
from ctrbench.errors import UserError
from ctrbench.files import in_order, locked, write_atomic
from ctrbench.settings import nearest
from ctrbench.text_table import Rows, markdown

FORMAT = 3  # part of every key: a change of layout or encoding must change it
WORKERS = 2  # threads that parse slices while others are read, and that encode
FIT_ROWS = 4_000_000  # rows whose values of a column are counted at once
ENCODE_ROWS = 250_000  # rows that are encoded at once
ENCODED = "encoded.json"
log = logging.getLogger(__name__)
Bytes = npt.NDArray[np.uint8]


def content_key(settings: DataSettings, split: SplitSettings, source: Source) -> str:
    """The identity of a prepared set: what the rows are and how they are encoded and split."""
    keys = ("numeric", "encodings", "bins", "min_count", "exclude")
    how = {key: getattr(settings, key) for key in keys}
    made_of = [FORMAT, settings.name, source.fingerprint(), how, asdict(split)]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def prepare(settings: DataSettings, split: SplitSettings, results: Path) -> Store:
    """Find the store of these settings under ``results``, or make it.

    Raises:
        UserError: for rows that cannot be used, or a disk too small; nothing is left behind then.
    """
    check_fractions(split)
    source = open_source(settings)
    source.check()
    encodings = field_encodings(settings, source)
    key = content_key(settings, split, source)
    folder = results / "stores" / settings.name / key
    with locked(folder.with_suffix(".lock")):
        if not (folder / MANIFEST).exists():
            started = time.perf_counter()
            work = folder.with_suffix(".partial")
            try:
                preparation = _Preparation(source, split, encodings, work)
                manifest = preparation.run()
                manifest |= {"key": key, "seconds": time.perf_counter() - started}
                write_atomic(work / MANIFEST, json.dumps(seal(manifest), indent=1))
                preparation.finish()
                shutil.rmtree(folder, ignore_errors=True)
                work.rename(folder)
                if isinstance(source, Table):
                    log.info("%s", markdown(_found(manifest, source)))
            except (UserError, OSError):
                shutil.rmtree(work, ignore_errors=True)
                raise
    return Store(folder)


def _found(manifest: dict[str, Any], source: Table) -> Rows:
    """What was found of each column of a table."""
    types = {c.name: str(t) for name, t in source.types.items() for c in t.columns(name)}
    return [
        {
            "field": field["name"],
            "type": types[field["name"]],
            "distinct": f"{counted['distinct']:,}",
            "missing": f"{counted['missing']:.1%}",
            "ids": f"{field['size']:,} ({field['encoding']})",
        }
        for field, counted in zip(manifest["fields"], manifest["statistics"], strict=True)
    ]


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
        self, source: Source, split: SplitSettings, encodings: dict[str, str], work: Path
    ) -> None:
        self.source, self.split, self.encodings, self.work = source, split, encodings, work
        self.settings = source.resolved()
        self.columns = [column for column in source.columns if column.name in encodings]
        self.passing: list[Path] = []

    def run(self) -> dict[str, Any]:
        (self.work / "vocabulary").mkdir(parents=True, exist_ok=True)
        for path in self.work.rglob("*.tmp"):  # of a process that was killed
            path.unlink()
        slices = _Reading(self.source, self.work).run()
        parts, labels = self._parts(slices)
        counts = self._check_classes(parts, labels)
        found = [self._fitted(column, slices, parts) for column in self.columns]
        fitted = [about for about in found if about is not None]
        fields = [Field(**about["field"]) for about in fitted]
        if not fields:
            raise UserError(f"data={self.settings.name}: no column is of use; declare data.types")
        self._encode(fields, slices, parts, [count["rows"] for count in counts.values()])
        self.passing = [*slices, self.work / ENCODED]
        return {
            "fields": [asdict(field) for field in fields],
            "statistics": [about["statistics"] for about in fitted],
            "parts": counts,
            "settings": asdict(self.settings),
            "split": asdict(self.split),
            "files": file_digests(self.work, without=self.passing),
        }

    def finish(self) -> None:
        """Remove what only the preparation needed."""
        for path in self.passing:
            path.unlink()

    def _parts(self, slices: list[Path]) -> tuple[Bytes, Bytes]:
        """The part (an index into PARTS) and the label of every row."""
        labels = [pl.read_parquet(path, columns=[LABEL])[LABEL].to_numpy() for path in slices]
        total = sum(map(len, labels))
        parts, start = [], 0
        for path, column in zip(slices, labels, strict=True):
            named = path.stem.rpartition("-")[2]
            if named == "all":
                parts.append(assign(self.split, start, len(column), total))
            else:
                parts.append(np.full(len(column), PARTS.index(named), np.uint8))
            start += len(column)
        return np.concatenate(parts), np.concatenate(labels)

    def _check_classes(self, parts: Bytes, labels: Bytes) -> dict[str, dict[str, int]]:
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

    def _fitted(self, column: Column, slices: list[Path], parts: Bytes) -> dict[str, Any] | None:
        """The field of a column and what was counted; its vocabulary is in its file then.

        None for a column of no use, where the user has not said what it is.
        """
        about = vocabulary_path(self.work, column.name).with_suffix(".json")
        if not about.exists():
            counts, slots = _count(column, slices, parts == 0)
            try:
                encoder = encode.fit(
                    column,
                    self.encodings[column.name],
                    counts,
                    min_count=self.settings.min_count,
                    bins=self.settings.bins,
                    slots=slots,
                )
            except UserError as error:
                if not isinstance(self.source, Table) or self.source.declared:
                    raise
                log.info("left out: %s", error)
                return None
            _write_parquet(encoder.state(), vocabulary_path(self.work, column.name))
            missing = counts.filter(pl.col("value").is_null())["count"].sum()
            statistics = {
                "type": column.kind,
                "distinct": len(counts) - int(missing > 0),
                "missing": missing / int(counts["count"].sum()),
            }
            found = {"field": asdict(encoder.field), "statistics": statistics}
            write_atomic(about, json.dumps(found))
        found = json.loads(about.read_text())
        return dict(found)

    def _encode(
        self, fields: list[Field], slices: list[Path], parts: Bytes, part_rows: list[int]
    ) -> None:
        encoder = read_encoder(self.work, fields)
        has_truth = TRUTH in pl.read_parquet_schema(slices[0])
        slots, values = encoder.schema.slots, len(encoder.scaled)
        progress = _Progress("encoded")
        with _Writers(self.work, part_rows, slots, values, has_truth) as writers:
            left = [g for g in _groups(slices, ENCODE_ROWS) if g[0] >= writers.rows_done]
            tasks = [partial(_encoded, encoder, paths) for _, paths in left]
            for columns in in_order(tasks, WORKERS):
                start = writers.rows_done
                writers.write(parts[start : start + len(columns["ids"])], columns)
                progress.say(writers.rows_done, writers.rows_done / len(parts))


class _Reading:
    """The first stage: every slice of a source to a Parquet file, a few at once."""

    def __init__(self, source: Source, work: Path) -> None:
        self.source, self.work = source, work
        self.progress = _Progress("read")

    def run(self) -> list[Path]:
        """The files in the source's order, named ``slice-NUMBER-PART``."""
        shares: list[float] = []
        paths: list[Path] = []

        def tasks() -> Iterator[Callable[[], int]]:
            for piece in self.source.slices():
                path = self.work / f"slice-{len(paths):06}-{piece.part}.parquet"
                shares.append(piece.share)
                paths.append(path)
                yield partial(_read, piece, path)

        total = 0
        for done, rows in enumerate(in_order(tasks(), WORKERS)):
            total += rows
            if done == 0 and shares[0] < 1:
                self._check_disk(paths[0].stat().st_size, rows, shares[0])
            self.progress.say(total, shares[done])
        return paths

    def _check_disk(self, raw_bytes: int, rows: int, share: float) -> None:
        """From the first slice: the raw slices, then the ids beside them."""
        columns = len(self.source.columns)
        needed = int((raw_bytes + rows * (4 * columns + 1)) / share)
        written = sum(path.stat().st_size for path in self.work.rglob("*") if path.is_file())
        free = shutil.disk_usage(self.work).free + written
        size = f"about {needed / 1e9:.1f} GB of disk for about {rows / share:,.0f} rows"
        log.info("this takes %s; %.1f GB are free", size, free / 1e9)
        if needed > free:
            raise UserError(
                f"{self.work.parent}: preparing takes {size}, and {free / 1e9:.1f} GB are free; "
                "free the space, or name another folder with results=FOLDER"
            )


def _read(piece: Slice, path: Path) -> int:
    """Write a slice unless it is there; its rows."""
    if not path.exists():
        frame = piece.read()
        if LABEL not in frame.columns:
            raise UserError("there are rows without labels; training takes labelled rows alone")
        _write_parquet(frame, path)
    return _rows(path)


def _encoded(encoder: encode.RowEncoder, paths: list[Path]) -> dict[str, Any]:
    """The columns of a store, of the rows of some slices."""
    frame = pl.read_parquet(paths)
    ids_NS, values_NX = encoder(frame)
    columns = {"ids": ids_NS, "values": values_NX, "labels": frame[LABEL].to_numpy()}
    if TRUTH in frame.columns:
        columns["truth"] = frame[TRUTH].to_numpy()
    return columns


@cache
def _rows(path: Path) -> int:
    """Of a slice, which does not change: asked for by every column."""
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _groups(slices: list[Path], at_least: int) -> Iterator[tuple[int, list[Path]]]:
    """Slices put together to so many rows, with the number of the first row."""
    start, rows, group = 0, 0, list[Path]()
    for path in slices:
        group.append(path)
        rows += _rows(path)
        if rows >= at_least:
            yield start, group
            start, rows, group = start + rows, 0, []
    if group:
        yield start, group


def _count(column: Column, slices: list[Path], is_train: npt.NDArray[np.bool_]) -> Any:
    """How often each value occurs in training rows, and the most values that any row has."""
    counts: list[pl.DataFrame] = []
    slots = 1
    for start, paths in _groups(slices, FIT_ROWS):
        values = pl.scan_parquet(paths).select(pl.col(column.name).alias("value")).collect()
        train = values.filter(pl.Series(is_train[start : start + len(values)]))
        if column.kind == MULTI:
            slots = max(slots, int(values["value"].list.len().max() or 0))  # type: ignore[arg-type]
            train = train.explode("value", empty_as_null=True, keep_nulls=True)
        counts.append(train.group_by("value").agg(pl.len().alias("count")))
    merged = pl.concat(counts).group_by("value").agg(pl.col("count").sum())
    return merged, slots


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    side = path.with_suffix(".tmp")
    try:
        frame.write_parquet(side, compression="lz4", statistics=False)
        side.replace(path)
    except pl.exceptions.PolarsError as error:  # a full disk, in other words than an OSError's
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be written ({reason}); free the space") from None


class _Progress:
    """A line now and then: rows done, and the time that is left."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.started = self.said = time.perf_counter()

    def say(self, rows: int, share: float) -> None:
        """Log, unless the last line is younger than five seconds."""
        now = time.perf_counter()
        if now - self.said > 5:
            self.said = now
            left = (now - self.started) * (1 - share) / share
            log.info("%s %s rows, %.0f %%, %.0f s left", self.what, f"{rows:,}", 100 * share, left)


class _Writers:
    """The .npy files of all parts, written row by row: unlike a memory map, a full disk is an
    error here and not a crash.

    Attributes:
        rows_done: rows that an earlier process wrote; its files are continued behind them.
    """

    def __init__(
        self, folder: Path, part_rows: list[int], slots: int, values: int, truth: bool
    ) -> None:
        self.progress = folder / ENCODED
        self.rows_done = 0
        self.files: dict[tuple[int, str], BinaryIO] = {}
        shapes: dict[str, tuple[str, tuple[int, ...]]] = {
            "ids": ("<i4", (slots,)),
            "values": ("<f4", (values,)),
            "labels": ("|u1", ()),
        }
        if truth:
            shapes["truth"] = ("<f8", ())
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
        """Append each row to the files of its part, and note where they end."""
        for (i, what), file in self.files.items():
            file.write(columns[what][parts == i].tobytes())
            file.flush()
        self.rows_done += len(parts)
        ends = {Path(file.name).name: file.tell() for file in self.files.values()}
        write_atomic(self.progress, json.dumps({"rows": self.rows_done, "bytes": ends}))

    def __enter__(self) -> "_Writers":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()
