"""Target statistics of a prepared set: computed from the ids of its training rows, and written
beside them.

A training row gets the rates of the other folds, so that it never sees its own label; a validation
or test row, and one that is predicted, gets those of all training rows. Counts are of all training
rows everywhere: they hold no label. Folds are drawn by a fixed seed, and of equal sizes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field, Schema
from ctrbench.data.split import PARTS, tagged_stream
from ctrbench.data.store.encode import RowEncoder
from ctrbench.data.store.opened import VOCABULARIES
from ctrbench.data.store.stages import ENCODE_ROWS, write_parquet
from ctrbench.data.store.target_encoder import (
    Floats,
    Ints,
    TargetStatistic,
    rate_of,
    smoothed_rates,
)

STATISTICS = "target.parquet"
Folds = npt.NDArray[np.uint8]


def draw_folds(rows: int, folds: int) -> Folds:
    """Return the fold of every training row; of equal sizes, always the same ones."""
    folds_N = np.resize(np.arange(folds, dtype=np.uint8), rows)
    np.random.Generator(tagged_stream("target folds", 0)).shuffle(folds_N)
    return folds_N


def with_placeholders(encoder: RowEncoder, statistics: dict[str, str]) -> RowEncoder:
    """Return an encoder that leaves room for target statistics.

    Args:
        statistics: the names of the statistics, and of the field that each is of.
    """
    sizes = {field.name: field.size for field in encoder.schema.fields}
    rooms = [TargetStatistic(name, of, np.zeros(sizes[of])) for name, of in statistics.items()]
    return RowEncoder([*encoder.encoders, *rooms])


@dataclass(frozen=True)
class _Counts:
    """Rows and clicks of each fold and id of a field."""

    rows_KV: Ints
    clicks_KV: Ints

    def rates_of_others(self) -> Floats:
        """Return for each fold the rates of all other folds, KV."""
        rows_V, clicks_V = self.rows_KV.sum(axis=0), self.clicks_KV.sum(axis=0)
        others = zip(rows_V - self.rows_KV, clicks_V - self.clicks_KV, strict=True)
        return np.stack([smoothed_rates(rows, clicks) for rows, clicks in others])

    def statistics(self) -> tuple[Floats, Floats, Floats]:
        """Return the rates KV for training rows, and rates V and counts V for all others, each
        standardised by the mean and deviation over the training rows."""
        rows_V, clicks_V = self.rows_KV.sum(axis=0), self.clicks_KV.sum(axis=0)
        crossed_KV, rate_V = self.rates_of_others(), smoothed_rates(rows_V, clicks_V)
        count_V = np.log1p(rows_V)
        mean, std = _moments(crossed_KV, self.rows_KV)
        count_mean, count_std = _moments(count_V, rows_V)
        return (crossed_KV - mean) / std, (rate_V - mean) / std, (count_V - count_mean) / count_std


@dataclass(frozen=True)
class _Column:
    """A column of values: the statistic, the slot of its field's ids, and the rates that training
    rows get instead."""

    encoder: TargetStatistic
    slot: int
    crossed_KV: Floats | None


def _moments(values: Floats, rows: Ints) -> tuple[float, float]:
    mean = float(np.average(values, weights=rows))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=rows))) or 1.0


def write_target_statistics(
    work: Path, schema: Schema, statistics: dict[str, str], folds: int
) -> None:
    """Compute target statistics, keep them with the vocabularies, and write them to the last
    columns of ``PART.values.npy``.

    Args:
        work: the folder of the store's arrays, as :func:`with_placeholders` encoded them.
        schema: the fields of its columns.
        statistics: see :func:`with_placeholders`.
    """
    slots = {schema.fields[i].name: slot for slot, i in enumerate(schema.field_of_slot)}
    fields = [field for field in schema.fields if field.name in statistics.values()]
    labels_N = np.load(work / "train.labels.npy", mmap_mode="r")
    folds_N = draw_folds(len(labels_N), folds)
    ids_NS = np.load(work / "train.ids.npy", mmap_mode="r")
    counts = _count(ids_NS, folds_N, labels_N, fields, slots)
    computed = {field.name: own.statistics() for field, own in zip(fields, counts, strict=True)}
    columns = list[_Column]()
    for name, of in statistics.items():
        crossed_KV, rate_V, count_V = computed[of]
        if name == rate_of(of):
            columns.append(_Column(TargetStatistic(name, of, rate_V), slots[of], crossed_KV))
        else:
            columns.append(_Column(TargetStatistic(name, of, count_V), slots[of], None))
    states = [c.encoder.state().alias(c.encoder.field.name).implode() for c in columns]
    write_parquet(pl.DataFrame(states), work / VOCABULARIES / STATISTICS)
    for part in PARTS:
        _fill(work, part, columns, folds_N if part == "train" else None)


def _count(
    ids_NS: npt.NDArray[np.int32],
    folds_N: Folds,
    labels_N: npt.NDArray[np.uint8],
    fields: list[Field],
    slots: dict[str, int],
) -> list[_Counts]:
    folds = int(folds_N.max()) + 1
    shapes = [(folds, field.size) for field in fields]
    counts = [_Counts(np.zeros(s, np.int64), np.zeros(s, np.int64)) for s in shapes]
    for rows in _blocks(len(ids_NS)):
        ids, labels = np.asarray(ids_NS[rows]), labels_N[rows] > 0
        for field, own in zip(fields, counts, strict=True):
            size = own.rows_KV.size
            cells = folds_N[rows].astype(np.int64) * field.size + ids[:, slots[field.name]]
            own.rows_KV.ravel()[:] += np.bincount(cells, minlength=size)
            own.clicks_KV.ravel()[:] += np.bincount(cells[labels], minlength=size)
    return counts


def _fill(work: Path, part: str, columns: list[_Column], folds_N: Folds | None) -> None:
    """Write the statistics of a split's rows.

    Args:
        folds_N: of training rows, which get the rates of the other folds.
    """
    ids_NS = np.load(work / f"{part}.ids.npy", mmap_mode="r")
    values_NX = np.load(work / f"{part}.values.npy", mmap_mode="r+")
    first = values_NX.shape[1] - len(columns)
    for rows in _blocks(len(ids_NS)):
        ids = np.asarray(ids_NS[rows])
        for place, column in enumerate(columns, start=first):
            ids_B = ids[:, column.slot]
            if folds_N is None or column.crossed_KV is None:
                values_NX[rows, place] = column.encoder.values(ids_B)
            else:
                values_NX[rows, place] = column.crossed_KV[folds_N[rows], ids_B]
    values_NX.flush()


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, start + ENCODE_ROWS) for start in range(0, rows, ENCODE_ROWS))
