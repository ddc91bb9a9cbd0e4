"""The second stage of a preparation: every column counted over the training rows, and fitted.

Columns are fitted in passes over the slices. What a pass found is in one file of vocabularies and
one of JSON, so that a preparation that was killed goes on behind its last pass.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import VECTOR, Column, Field
from ctrbench.data.store import encode
from ctrbench.data.store.opened import VOCABULARIES
from ctrbench.data.store.stages import ENCODE_ROWS, count, groups, passes, write_parquet
from ctrbench.data.store.vectors import Vector
from ctrbench.files import write_atomic


@dataclass
class Fitted:
    """What was found of the columns; their vocabularies are in files.

    Attributes:
        statistics: of each field, its ``type``, ``distinct`` values and share ``missing``.
        left_out: why, of each column of no use.
    """

    fields: list[Field] = field(default_factory=list)
    statistics: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitting:
    """How columns are fitted: by which encoding, and with which limits (see the data settings).

    Attributes:
        buckets: of the columns whose values are hashed.
    """

    encodings: dict[str, str]
    min_count: int
    bins: int
    max_values: int | None
    buckets: dict[str, int] = field(default_factory=dict)


def fit_columns(
    columns: Sequence[Column],
    how: Fitting,
    slices: list[Path],
    is_train: npt.NDArray[np.bool_],
    work: Path,
) -> Fitted:
    """Fit the columns of some slices, but for those that are fitted already."""
    total = Fitted()
    counted = [column for column in columns if column.kind != VECTOR]
    for i, group in enumerate(passes(counted, len(is_train))):
        path = work / f"fitted-{i:05}.json"
        if not path.exists():
            states = work / VOCABULARIES / f"{i:05}.parquet"
            fitted = fit_pass(group, how, slices, is_train, states)
            write_atomic(path, json.dumps(asdict(fitted)))
        record = json.loads(path.read_text())
        total.fields += [Field(**values) for values in record["fields"]]
        total.statistics += record["statistics"]
        total.left_out |= record["left_out"]
    if vectors := [column for column in columns if column.kind == VECTOR]:
        _fit_vectors(vectors, slices, is_train, work / VOCABULARIES / "vectors.parquet", total)
    return total


def _fit_vectors(
    columns: Sequence[Column],
    slices: list[Path],
    is_train: npt.NDArray[np.bool_],
    path: Path,
    total: Fitted,
) -> None:
    """Add columns of vectors, which have no vocabulary: their numbers stay as they are."""
    types, states = pl.read_parquet_schema(slices[0]), list[pl.Series]()
    for column in columns:
        distinct, missing = set[int](), 0
        for start, paths in groups(slices, ENCODE_ROWS):
            values = pl.read_parquet(paths, columns=[column.name])[column.name]
            own = values.filter(pl.Series(is_train[start : start + len(values)]))
            missing += own.null_count()
            distinct.update(own.drop_nulls().hash().unique())
        if len(distinct) + (missing > 0) < 2:
            total.left_out[column.name] = "all training rows have the same value"
            continue
        kind = types[column.name]
        assert isinstance(kind, pl.Array)
        encoder = Vector(column.name, kind.size)
        states.append(encoder.state().alias(column.name).implode())
        total.fields.append(encoder.field)
        share = missing / int(is_train.sum())
        counted = {"type": column.kind, "distinct": len(distinct), "missing": share}
        total.statistics.append(counted)
    if states:
        write_parquet(pl.DataFrame(states), path)


def fit_pass(
    columns: Sequence[Column],
    how: Fitting,
    slices: list[Path],
    is_train: npt.NDArray[np.bool_],
    path: Path,
) -> Fitted:
    """Fit a few columns in one pass over the slices; their vocabularies go to one file."""
    fitted, states, rows = Fitted(), list[pl.Series](), int(is_train.sum())
    for column, counts, slots in count(columns, slices, is_train, how.max_values):
        limits = {"min_count": how.min_count, "bins": how.bins, "slots": slots}
        buckets = how.buckets.get(column.name)
        try:
            encoding = how.encodings[column.name]
            encoder = encode.fit(column, encoding, counts, **limits, buckets=buckets)
        except encode.UselessError as error:
            fitted.left_out[column.name] = str(error)
            continue
        states.append(encoder.state().alias(column.name).implode())
        missing = int(counts.filter(pl.col("value").is_null())["count"].sum())
        fitted.fields.append(encoder.field)
        fitted.statistics.append(
            {
                "type": column.kind,
                "distinct": len(counts) - int(missing > 0),
                "missing": missing / rows,
            }
        )
    if states:
        write_parquet(pl.DataFrame(states), path)
    return fitted
