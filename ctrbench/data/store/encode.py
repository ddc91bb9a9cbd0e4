"""Encoders: a column to ids (and values), fitted to the counts of its training values alone.

A vocabulary maps values that training rows lack, or have too rarely, to id 0. A missing value is a
value like any other there: it gets an id of its own if it is frequent enough. Numbers in bins of
quantiles, and scaled ones, have no unknown values: their id 0 is the missing value.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import MULTI, NUMERIC, Column, Field, Schema
from ctrbench.data.settings import POOLINGS
from ctrbench.data.store.hashing import HASH, Hashed
from ctrbench.data.store.target_encoder import TargetStatistic
from ctrbench.data.store.vectors import Vector

Ids = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]
PART_OF_A_DATE = pl.UInt8()  # the type of hours and weekdays, which are few


class UselessError(Exception):
    """A column that carries no information; the message says why."""


class Encoder(Protocol):
    """A fitted column.

    Attributes:
        missing_id: of a missing value; 0 if it is none of its own.
    """

    field: Field
    missing_id: int

    def ids(self, column: pl.Series) -> Ids:
        """Return the id of every value; for a field of several values, a row of ids."""
        ...

    def state(self) -> pl.Series:
        """Return what was fitted, as it is stored."""
        ...


def log_squared(column: pl.Expr) -> pl.Expr:
    """Return the bins of Criteo's winners: floor((ln x)^2) for x > 2, floor(x) for others.

    The bins are shifted by 2 and start at 1 (where those of whole numbers do: (ln 3)^2 = 1.2), so
    that x > 2 and the values up to 2 never share a token.
    """
    x = column.cast(pl.Float64).clip(-(2.0**62), None)
    bins = (x.log() ** 2).floor().clip(1, None) + 2
    return pl.when(x > 2).then(bins).otherwise(x.floor()).cast(pl.Int64)


class Vocabulary:
    """Values seen at least ``min_count`` times, the most frequent first."""

    def __init__(self, name: str, encoding: str, keys: pl.Series) -> None:
        ids = pl.arange(1, len(keys) + 1, dtype=pl.Int32, eager=True)
        self.table = pl.DataFrame({"value": keys, "id": ids})
        self.field = Field(name, encoding, len(keys) + 1)
        self.missing_id = int((keys.is_null().arg_max() or 0) + 1) if keys.has_nulls() else 0

    @classmethod
    def fit(
        cls, column: Column, encoding: str, counts: pl.DataFrame, min_count: int
    ) -> "Vocabulary":
        """Fit to a frame of ``value`` and ``count``; ties are broken by value."""
        if encoding == "log_squared":
            token = log_squared(pl.col("value"))
            counts = counts.group_by(token).agg(pl.col("count").sum())
        frequent = counts.filter(pl.col("count") >= min_count)
        if frequent.is_empty():
            raise UselessError(
                f"no value occurs {min_count} times (data.min_count) in the training rows"
            )
        order = frequent.sort(["count", "value"], descending=[True, False], nulls_last=True)
        return cls(column.name, encoding, order["value"])

    def ids(self, column: pl.Series) -> Ids:
        frame = column.to_frame("value")
        if self.field.encoding == "log_squared":
            frame = frame.select(log_squared(pl.col("value")).alias("value"))
        joined = frame.join(
            self.table, on="value", how="left", nulls_equal=True, maintain_order="left"
        )
        return joined["id"].fill_null(0).to_numpy()

    def state(self) -> pl.Series:
        return self.table["value"]


def fill_slots(ids: Ids, lengths: npt.NDArray[np.int64], field: Field) -> Ids:
    """Return the ids of lists, one list behind the other, in the slots of their rows: the first
    ones of each list, then padding."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    slots = np.arange(len(rows)) - np.repeat(lengths.cumsum() - lengths, lengths)
    fits = slots < field.slots
    filled = np.full((len(lengths), field.slots), field.padding, np.int32)
    filled[rows[fits], slots[fits]] = ids[fits]
    return filled


class MultiValued:
    """A vocabulary, or buckets, over the values of lists; a row has a slot for each value of the
    longest list of a training row.

    An empty list is a missing value. Values beyond the slots are left out.
    """

    def __init__(self, vocabulary: Vocabulary | Hashed, slots: int) -> None:
        self.vocabulary = vocabulary
        of = vocabulary.field
        self.field = Field(of.name, of.encoding, of.size + 1, slots)
        self.missing_id = vocabulary.missing_id

    def ids(self, column: pl.Series) -> Ids:
        lengths = column.list.len().fill_null(1).cast(pl.Int64).clip(1).to_numpy()
        values = column.explode(empty_as_null=True, keep_nulls=True)
        return fill_slots(self.vocabulary.ids(values), lengths, self.field)

    def state(self) -> pl.Series:
        return self.vocabulary.state()


class Quantiles:
    """Bins of equal training mass; a missing value has id 0.

    The largest training value is no edge: above the last edge lie training values, too.
    """

    missing_id = 0

    def __init__(self, name: str, edges: npt.NDArray[np.float64]) -> None:
        self.edges = edges
        self.field = Field(name, "quantile", len(edges) + 2)

    @classmethod
    def fit(cls, column: Column, counts: pl.DataFrame, bins: int) -> "Quantiles":
        present = _present(counts)
        mass = present["count"].cum_sum().to_numpy()
        values = present["value"].to_numpy().astype(np.float64)
        wanted = np.arange(1, bins) / bins * mass[-1]
        places = np.minimum(np.searchsorted(mass, wanted), len(values) - 2)
        return cls(column.name, np.unique(values[places[places >= 0]]))

    def ids(self, column: pl.Series) -> Ids:
        values = column.cast(pl.Float64).to_numpy()
        bins = 1 + np.searchsorted(self.edges, values, side="left")
        return np.where(np.isnan(values), 0, bins).astype(np.int32)

    def state(self) -> pl.Series:
        return pl.Series(self.edges)


class Scaled:
    """A value times its embedding: sign(x) ln(1 + |x|), standardised. Missing has an id instead."""

    missing_id = 0

    def __init__(self, name: str, mean: float, std: float) -> None:
        self.mean, self.std = mean, std
        self.field = Field(name, "value", 2)

    @classmethod
    def fit(cls, column: Column, counts: pl.DataFrame) -> "Scaled":
        present = _present(counts)
        values, weights = _signed_log(present["value"]), present["count"].to_numpy()
        mean = float(np.average(values, weights=weights))
        std = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
        return cls(column.name, mean, std or 1.0)

    def ids(self, column: pl.Series) -> Ids:
        return column.is_not_null().cast(pl.Int32).to_numpy()

    def values(self, column: pl.Series) -> Values:
        """Return the factor of the embedding; 1 where the value is missing."""
        scaled = (_signed_log(column) - self.mean) / self.std
        return np.where(np.isnan(scaled), 1.0, scaled).astype(np.float32)

    def state(self) -> pl.Series:
        return pl.Series([self.mean, self.std])


class Unscaled(Scaled):
    """A value times its embedding, as it is: for numbers that come scaled. Missing has an id."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 0.0, 1.0)

    def values(self, column: pl.Series) -> Values:
        values = column.cast(pl.Float32).to_numpy()
        return np.where(np.isnan(values), np.float32(1.0), values)

    def state(self) -> pl.Series:
        return pl.Series([], dtype=pl.Float64)


class RowEncoder:
    """The fitted columns of a set: raw rows to ids and values.

    Args:
        encoders: of the columns, then the target statistics of some of them.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = encoders
        self.schema = Schema(tuple(encoder.field for encoder in encoders))

    @property
    def values(self) -> int:
        """X, the columns of values."""
        return len(self.schema.value_slots)

    def __call__(self, frame: pl.DataFrame) -> tuple[Ids, Values]:
        """Return the ids NS and values NX of a source's frame."""
        ids_NS = np.empty((len(frame), self.schema.slots), np.int32)
        slots, slot = dict[str, int](), 0
        for encoder in self.encoders:
            name = encoder.of if isinstance(encoder, TargetStatistic) else encoder.field.name
            ids = encoder.ids(frame[name])
            ids_NS[:, slot : slot + encoder.field.slots] = ids.reshape(len(frame), -1)
            slots[encoder.field.name] = slot
            slot += encoder.field.slots
        values_NX, first = np.empty((len(frame), self.values), np.float32), 0
        for encoder in self.encoders:
            if isinstance(encoder, Scaled | Vector):
                values = encoder.values(frame[encoder.field.name])
            elif isinstance(encoder, TargetStatistic):
                values = encoder.values(ids_NS[:, slots[encoder.of]])
            else:
                continue
            values_NX[:, first : first + encoder.field.slots] = values.reshape(len(frame), -1)
            first += encoder.field.slots
        return ids_NS, values_NX


def restore(field: Field, state: pl.Series) -> Encoder:
    """Restore an encoder from its field and its :meth:`state`."""
    if field.encoding == "vector":
        return Vector(field.name, field.slots)
    if field.encoding == "quantile":
        return Quantiles(field.name, state.to_numpy())
    if field.encoding == "value" and isinstance(state.dtype, pl.Struct):
        return TargetStatistic(field.name, state[0]["of"], np.array(state[0]["by_id"]))
    if field.encoding == "value":
        return Scaled(field.name, *state) if len(state) else Unscaled(field.name)
    vocabulary: Vocabulary | Hashed
    if isinstance(state.dtype, pl.Struct):
        vocabulary = Hashed(field.name, field.encoding, state[0]["buckets"])
    else:
        vocabulary = Vocabulary(field.name, field.encoding, state)
    return MultiValued(vocabulary, field.slots) if field.encoding in POOLINGS else vocabulary


def fit(
    column: Column,
    encoding: str,
    counts: pl.DataFrame,
    *,
    min_count: int,
    bins: int,
    slots: int = 1,
    buckets: int | None = None,
) -> Encoder:
    """Fit one column from a frame of ``value`` and ``count`` over the training rows.

    Args:
        slots: length of the longest list in training rows, of a field of several values.
        buckets: hash values to so many ids; parts of dates have a vocabulary all the same.

    Raises:
        UselessError: for a column of one value, or without a value that is frequent enough.
    """
    if len(counts) < 2:
        raise UselessError("all training rows have the same value")
    if column.kind == NUMERIC and encoding == "quantile":
        return Quantiles.fit(column, counts, bins)
    if column.kind == NUMERIC and encoding == "value":
        return Scaled.fit(column, counts)
    if column.kind == NUMERIC and encoding == "unscaled":
        return Unscaled(column.name)
    vocabulary: Vocabulary | Hashed
    if buckets is not None and counts["value"].dtype != PART_OF_A_DATE:
        vocabulary = Hashed(column.name, encoding, buckets)
    else:
        encoding = "vocabulary" if encoding == HASH else encoding
        vocabulary = Vocabulary.fit(column, encoding, counts, min_count)
    return MultiValued(vocabulary, slots) if column.kind == MULTI else vocabulary


def _present(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.drop_nulls("value").sort("value")


def _signed_log(values: pl.Series) -> npt.NDArray[np.float64]:
    x = values.cast(pl.Float64).to_numpy()
    logs: npt.NDArray[np.float64] = np.sign(x) * np.log1p(np.abs(x))
    return logs
