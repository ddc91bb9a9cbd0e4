"""Raw rows to a store: read and check, split, fit on training rows, encode, rename.

A preparation works in a folder named by its content. One that was killed goes on behind its last
piece (see :mod:`ctrbench.data.store.stages`) and gives the same bytes. Memory holds a few slices,
or the counts of a few million values, and two bytes a row; with ``split=time`` some thirty bytes a
row while the rows are split.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ctrbench.components import outside_digest
from ctrbench.data.schema import PAST_LABELS, TRUTH, WEIGHT, Field, Schema
from ctrbench.data.settings import SplitSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.split import PARTS
from ctrbench.data.store.arrays import ENCODED, Bytes, Writers
from ctrbench.data.store.cross_fitting import with_placeholders, write_target_statistics
from ctrbench.data.store.encodings import field_encodings, hash_buckets, target_statistics
from ctrbench.data.store.fitting import Fitted, Fitting, fit_columns
from ctrbench.data.store.found import described
from ctrbench.data.store.grouping import write_groups
from ctrbench.data.store.history import past_fields, write_histories
from ctrbench.data.store.manifest import FORMAT, MANIFEST, file_digests, write_manifest
from ctrbench.data.store.opened import SPLIT_OF_ROWS, VOCABULARIES, Store, read_encoder
from ctrbench.data.store.quality import check_rows
from ctrbench.data.store.sequences import (
    sequence_encoders,
    sequence_fields,
    write_sequences,
)
from ctrbench.data.store.splitting import split_rows
from ctrbench.data.store.stages import (
    ENCODE_CELLS,
    ENCODE_ROWS,
    WORKERS,
    Reading,
    check_disk,
    encoded,
    pieces,
)
from ctrbench.data.store.unknown import find_unknown
from ctrbench.errors import DiskError, UserError
from ctrbench.files import in_order, locked, remove_leftovers
from ctrbench.progress import Progress
from ctrbench.settings import digest, identity_settings

log = logging.getLogger(__name__)


def content_key(source: Source, split: SplitSettings) -> str:
    """Return the identity of a prepared data set: its rows, encodings and split."""
    settings = source.resolved()
    how = identity_settings(settings)
    if (code := outside_digest(type(settings), "data")) is not None:
        how["code"] = code
    parts: dict[str, Any] | None = identity_settings(split)
    if source.is_split:
        share = split.train_share
        parts = None if share == 1 else {"train_share": share, "seed": split.seed}
    return digest([FORMAT, source.fingerprint(), how, parts])


def prepare(source: Source, split: SplitSettings, folder: Path) -> Store:
    """Open the store of these rows, or prepare it in its folder.

    Rows that cannot be used leave nothing behind. If the disk is too small, what an earlier call
    had prepared stays.

    Args:
        folder: named by :func:`content_key`.

    Raises:
        OSError: for a failed read or write; what is done is kept, and the next call goes on there.
    """
    encodings = field_encodings(source)
    remove_leftovers(folder.parent)
    if not (folder / MANIFEST).exists():  # else the folder may be one that may only be read
        with locked(folder.with_suffix(".lock")):
            if not (folder / MANIFEST).exists():
                _make(source, split, encodings, folder)
    return Store(folder)


def _make(source: Source, split: SplitSettings, encodings: dict[str, str], folder: Path) -> None:
    started = time.perf_counter()
    work = folder.with_suffix(".partial")
    goes_on = work.exists()
    try:
        preparation = _Preparation(source, split, encodings, work)
        manifest = preparation.run()
        if content_key(source, split) != folder.name:
            raise UserError(
                f"data={source.settings.name}: a file was changed while it was read; run again"
            )
        manifest |= {"key": folder.name, "seconds": time.perf_counter() - started}
        write_manifest(work, manifest)
        preparation.finish()
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    except UserError as error:
        if not (goes_on and isinstance(error, DiskError)):
            shutil.rmtree(work, ignore_errors=True)
        raise
    except OSError:
        log.info("what is prepared is kept in %s; the same command goes on from there", work)
        raise
    log.info("data=%s:\n%s", source.settings.name, described(manifest))


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
        (self.work / VOCABULARIES).mkdir(parents=True, exist_ok=True)
        for path in self.work.rglob("*.tmp"):  # of a process that was killed
            path.unlink()
        slices = Reading(self.source, self.work).run()
        parts, labels, self.warnings = split_rows(self.source, self.split, slices)
        by_column = self.split.kind in ("time", "group") and not self.source.is_split
        if by_column or self.split.train_share < 1:
            np.save(self.work / SPLIT_OF_ROWS, parts)
        counts = self._check_classes(parts, labels)
        if WEIGHT in pl.read_parquet_schema(slices[0]):
            self._check_weights(parts, labels, slices)
        fitted = self._fitted(slices, parts)
        past = self._past(fitted.fields, slices, parts)
        part_rows = [count["rows"] for count in counts.values()]
        self._encode(fitted, past, slices, parts, part_rows)
        if self.settings.group is not None:
            write_groups(self.settings.group, slices, parts, self.work)
        if past:
            self._add_history(fitted, past, slices, parts, part_rows)
        schema = Schema(tuple(fitted.fields))
        encoder = read_encoder(self.work, schema.present.fields)
        unknown, warnings = find_unknown(self.work, encoder, slices, parts)
        self.warnings += [*warnings, *check_rows(self.work, schema, self.source)]
        self.passing = [*slices, *self.work.glob("fitted-*.json"), self.work / ENCODED]
        return {
            "fields": [asdict(field) for field in fitted.fields],
            "statistics": fitted.statistics,
            "left_out": {
                name: "; ".join(filter(None, (why, self.source.doubts.get(name))))
                for name, why in (self.source.left_out | fitted.left_out).items()
                if name not in self.settings.exclude
            },
            "doubts": self.source.doubts,
            "warnings": self.warnings,
            "unknown": unknown,
            "parts": counts,
            "settings": asdict(self.settings),
            "split": asdict(self.split),
            "files": file_digests(self.work, without=self.passing),
        }

    def finish(self) -> None:
        """Remove what only the preparation needed."""
        for path in self.passing:
            path.unlink()

    def _check_classes(self, parts: Bytes, labels: Bytes) -> dict[str, dict[str, int]]:
        counts = {}
        for i, name in enumerate(PARTS):
            part_labels = labels[parts == i]
            rows, clicks = len(part_labels), int(part_labels.sum())
            if clicks in (0, rows):
                count = f"{rows} {'row' if rows == 1 else 'rows'}"
                what = f"{count} of only one class" if rows else "no rows"
                share = self.split.train_share
                split = "another split" if share == 1 else f"more than split.train_share={share:g}"
                raise UserError(
                    f"the {name} rows of data={self.settings.name}: {what}; give more rows, "
                    f"with both labels, or {split}"
                )
            counts[name] = {"rows": rows, "clicks": clicks}
        return counts

    def _check_weights(self, parts: Bytes, labels: Bytes, slices: list[Path]) -> None:
        """Refuse a split in which a class has no weight: no metric is defined there."""
        columns = [pl.read_parquet(path, columns=[WEIGHT])[WEIGHT] for path in slices]
        is_weighted = pl.concat(columns).to_numpy().astype(np.float32) > 0
        for i, name in enumerate(PARTS):
            of_part = (parts == i) & is_weighted
            for label, kind in enumerate(("without", "with")):
                if not (of_part & (labels == label)).any():
                    raise UserError(
                        f"the {name} rows of data={self.settings.name}: the weights "
                        f"(data.weight={self.settings.weight}) of all rows {kind} a click are 0; "
                        "give some of them a weight, or leave data.weight out"
                    )

    def _fitted(self, slices: list[Path], parts: Bytes) -> Fitted:
        settings = self.settings
        limits = (settings.min_count, settings.bins, settings.max_values)
        how = Fitting(self.encodings, *limits, hash_buckets(self.source, self.encodings))
        fitted = fit_columns(self.columns, how, slices, parts == 0, self.work)
        if not fitted.fields:
            first, why = next(iter(fitted.left_out.items()))
            raise UserError(
                f"data={self.settings.name}: no column is of use; column {first}: {why}"
            )
        return fitted

    def _past(self, present: list[Field], slices: list[Path], parts: Bytes) -> tuple[Field, ...]:
        """Return the fields of the history, computed or held by the rows."""
        if self.settings.sequence_columns:
            return sequence_fields(self.settings, present, slices, parts == 0)
        return past_fields(self.settings.history, present) if self.settings.history else ()

    def _add_history(
        self,
        fitted: Fitted,
        past: Sequence[Field],
        slices: list[Path],
        parts: Bytes,
        part_rows: list[int],
    ) -> None:
        """Write the fields of the history, behind the others."""
        names = [field.name for field in fitted.fields]
        statistics = dict(zip(names, fitted.statistics, strict=True))
        fitted.fields += past
        schema = Schema(tuple(fitted.fields))
        if schema.sequences:
            encoders = sequence_encoders(read_encoder(self.work, schema.present.fields), schema)
            shares = write_sequences(self.work, encoders, slices, parts, part_rows)
        else:
            without = write_histories(self.work, schema, slices, parts, part_rows)
            shares = [without] * len(past)
        for field, share in zip(past, shares, strict=True):
            past_statistics = statistics.get(str(field.past), {"distinct": PAST_LABELS - 1})
            fitted.statistics.append(past_statistics | {"type": "history", "missing": share})

    def _encode(
        self,
        fitted: Fitted,
        past: Sequence[Field],
        slices: list[Path],
        parts: Bytes,
        part_rows: list[int],
    ) -> None:
        encoder = read_encoder(self.work, fitted.fields)
        statistics = target_statistics(self.source, fitted.fields)
        if statistics:
            encoder = with_placeholders(encoder, statistics)
        kinds = pl.read_parquet_schema(slices[0])
        extra = [name for name, key in (("truth", TRUTH), ("weights", WEIGHT)) if key in kinds]
        slots, values = encoder.schema.slots, encoder.values
        row_bytes = 4 * (slots + values + sum(field.slots for field in past)) + 1
        check_disk(self.work, len(parts) * row_bytes, len(parts), "*.npy")
        progress = Progress("encoded", total=len(parts))
        with progress, Writers(self.work, part_rows, slots, values, extra) as writers:
            progress.update(writers.rows_done)
            most = max(1, ENCODE_CELLS // slots)
            left = pieces(slices, ENCODE_ROWS, most, writers.rows_done)
            tasks = [partial(encoded, encoder, *piece) for piece in left]
            for columns in in_order(tasks, WORKERS):
                start = writers.rows_done
                writers.write(parts[start : start + len(columns["ids"])], columns)
                progress.update(len(columns["ids"]))
        if statistics:
            self._add_target_statistics(fitted, encoder.schema, statistics)

    def _add_target_statistics(
        self, fitted: Fitted, schema: Schema, statistics: dict[str, str]
    ) -> None:
        """Compute the target statistics, behind the fields that they are of."""
        write_target_statistics(self.work, schema, statistics, self.settings.target_folds)
        names = [field.name for field in fitted.fields]
        by_name = dict(zip(names, fitted.statistics, strict=True))
        fitted.fields = list(schema.fields)
        for of in statistics.values():
            fitted.statistics.append(by_name[of] | {"type": "target", "missing": 0.0})
