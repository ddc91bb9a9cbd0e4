"""Crosses of fields, the phi(x) of Wide & Deep, made once from a store's ids and kept with it.

A cross has an id for every combination of its fields' ids that is frequent enough in the training
rows (id 0 is all others), or hashes every combination to one of a declared number of ids.
"""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field, Schema
from ctrbench.data.settings import POOLINGS, VALUE_ENCODINGS, Crosses
from ctrbench.data.split import PARTS
from ctrbench.data.store.manifest import MANIFEST, file_digests, write_manifest
from ctrbench.data.store.opened import Store
from ctrbench.data.store.stages import write_parquet
from ctrbench.errors import UserError
from ctrbench.files import locked, remove_leftovers
from ctrbench.settings import digest, nearest

log = logging.getLogger(__name__)
FORMAT = 3  # part of every key: a change of ids must change it
SLICE_ROWS = 1_000_000
Cross = list[str]
Vocabulary = pl.DataFrame | None  # the ids of combinations; None where they are hashed
Ids = npt.NDArray[np.int32]


def check_crosses(crosses: list[Cross], encodings: dict[str, str]) -> None:
    """Refuse crosses that cannot be made of the fields.

    Args:
        encodings: the encoding of each field there is.
    """
    for i, names in enumerate(crosses):
        key = f"model.crosses: [{', '.join(names)}]"
        for name in names:
            if name not in encodings:
                raise UserError(f"{key}: no such field {name}; {nearest(name, encodings)}")
            if encodings[name] in (*VALUE_ENCODINGS, *POOLINGS):
                raise UserError(
                    f"{key}: {name} is encoded as {encodings[name]}; "
                    "a cross takes fields of one id a row"
                )
            if names.count(name) > 1:
                raise UserError(f"{key}: {name} stands in it twice; name each field once")
        if len(names) < 2:
            raise UserError(f"{key}: a cross takes two fields or more")
        if any(set(names) == set(other) for other in crosses[:i]):
            raise UserError(f"{key}: declared twice; name each cross once")


def with_crosses(store: Store, crosses: Crosses | None) -> Store:
    """Return the store with the crosses as columns behind its fields, writing them if needed.

    Args:
        crosses: what a model asks for; None for a model that takes none.
    """
    if crosses is None:
        return store
    if not crosses.fields:
        log.info("no crosses are declared (model.crosses): the wide part has the fields alone")
        return store
    check_crosses(crosses.fields, {field.name: field.encoding for field in store.schema.fields})
    folder = store.folder / "crosses" / digest([FORMAT, asdict(crosses)])
    remove_leftovers(folder.parent)
    if not (folder / MANIFEST).exists():  # else the folder may be one that may only be read
        with locked(folder.with_suffix(".lock")):
            if not (folder / MANIFEST).exists():
                _make(store, crosses, folder)
    return Store(store.folder, folder)


def _make(store: Store, crosses: Crosses, folder: Path) -> None:
    work = folder.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        fields = _write(store, crosses, work)
        manifest = {"fields": Schema(fields).to_json(), "files": file_digests(work)}
        write_manifest(work, manifest)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write(store: Store, crosses: Crosses, work: Path) -> tuple[Field, ...]:
    parts = {name: store.part(name).ids_NS for name in PARTS}
    fields, vocabularies = list[Field](), list[Vocabulary]()
    for i, names in enumerate(crosses.fields):
        size, frequent = crosses.buckets, None
        if size is None:
            train = _columns(store.schema, names, parts["train"])
            frequent = _vocabulary(names, train, crosses.min_count)
            write_parquet(frequent, _path(work, i))
            size = len(frequent) + 1
        fields.append(Field(" x ".join(names), "vocabulary", size))
        vocabularies.append(frequent)
    for name, rows in parts.items():
        header = {"descr": "<i4", "fortran_order": False, "shape": (len(rows), len(fields))}
        with (work / f"{name}.ids.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(rows), SLICE_ROWS):
                ids_NS = rows[start : start + SLICE_ROWS]
                ids_NC = cross_ids(store.schema, crosses.fields, fields, vocabularies, ids_NS)
                file.write(ids_NC.tobytes())
    return tuple(fields)


def vocabularies(folder: Path, crosses: int) -> list[Vocabulary]:
    """Read the vocabularies of crosses; None where combinations are hashed."""
    paths = [_path(folder, i) for i in range(crosses)]
    return [pl.read_parquet(path) if path.exists() else None for path in paths]


def _path(folder: Path, cross: int) -> Path:
    return folder / f"{cross:03}.parquet"


def cross_ids(
    schema: Schema,
    crosses: list[Cross],
    fields: Sequence[Field],
    known: list[Vocabulary],
    ids_NS: Ids,
) -> Ids:
    """Return the ids NC of the crosses: by vocabulary, or hashed where there is none."""
    ids_NC = np.empty((len(ids_NS), len(crosses)), np.int32)
    for i, (names, field) in enumerate(zip(crosses, fields, strict=True)):
        frame, vocabulary = _columns(schema, names, ids_NS), known[i]
        if vocabulary is not None:
            joined = frame.join(vocabulary, on=frame.columns, how="left", maintain_order="left")
            ids_NC[:, i] = joined["id"].fill_null(0).to_numpy()
        else:
            ids_NC[:, i] = _hashed(frame, field.size)
    return ids_NC


def _columns(schema: Schema, names: Cross, ids_NS: Ids) -> pl.DataFrame:
    """Return the ids of the crossed fields, named by their place in the cross."""
    slots = {schema.fields[i].name: slot for slot, i in enumerate(schema.field_of_slot)}
    columns = [slots[name] for name in names]
    return pl.from_numpy(ids_NS[:, columns], [f"f{i}" for i in range(len(names))])


def _vocabulary(names: Cross, train: pl.DataFrame, min_count: int) -> pl.DataFrame:
    """Return the frequent combinations, the most frequent first, ties by ids."""
    counts = train.group_by(train.columns).agg(pl.len().alias("count"))
    frequent = counts.filter(pl.col("count") >= min_count)
    if frequent.is_empty():
        raise UserError(
            f"model.crosses: [{', '.join(names)}]: no combination occurs {min_count} times in the "
            "training rows; lower model.cross_min_count"
        )
    ordered = frequent.sort(["count", *train.columns], descending=[True] + [False] * len(names))
    ids = pl.arange(1, len(frequent) + 1, dtype=pl.Int32).alias("id")
    return ordered.select(*train.columns, ids)


def _hashed(frame: pl.DataFrame, buckets: int) -> Ids:
    """Multiply and fold, in 64 bits; the same on every machine."""
    mixed = np.zeros(len(frame), np.uint64)
    for column in frame:
        mixed = (mixed ^ column.to_numpy().astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(buckets)).astype(np.int32)
