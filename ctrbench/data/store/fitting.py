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

from ctrbench.data.schema import Column, Field
from ctrbench.data.store import encode
from ctrbench.data.store.opened import VOCABULARIES
from ctrbench.data.store.stages import count, passes, write_parquet
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
    """How columns are fitted: by which encoding, and with which limits (see the data settings)."""

    encodings: dict[str, str]
    min_count: int
    bins: int
    max_values: int | None


def fit_columns(
    columns: Sequence[Column],
    how: Fitting,
    slices: list[Path],
    is_train: npt.NDArray[np.bool_],
    work: Path,
) -> Fitted:
    """Fit the columns of some slices, but for those that are fitted already."""
    total = Fitted()
    for i, group in enumerate(passes(columns, len(is_train))):
        path = work / f"fitted-{i:05}.json"
        if not path.exists():
            states = work / VOCABULARIES / f"{i:05}.parquet"
            fitted = fit_pass(group, how, slices, is_train, states)
            write_atomic(path, json.dumps(asdict(fitted)))
        record = json.loads(path.read_text())
        total.fields += [Field(**values) for values in record["fields"]]
        total.statistics += record["statistics"]
        total.left_out |= record["left_out"]
    return total


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
        try:
            encoder = encode.fit(column, how.encodings[column.name], counts, **limits)
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
