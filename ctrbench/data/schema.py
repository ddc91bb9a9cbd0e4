"""What a row is: its fields, and how many features each of them has.

Shape suffixes used throughout: N rows, B rows of a batch, F fields, S slots (columns of ids: one a
field, several for a field of several values), P slots of the history, C crosses, T past rows, X
value fields (numeric fields fed as a value times their embedding), V features of all fields (rows
of the embedding table), D columns of that table, K factors, U units.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

CATEGORICAL, NUMERIC, MULTI, VECTOR = "categorical", "numeric", "multi", "vector"
# Columns of a source's frames beside its own.
LABEL, TRUTH, GROUP = "__label__", "__truth__", "__group__"
USER, TIME, WEIGHT = "__user__", "__time__", "__weight__"
KEPT = "__keep__"  # before the name of a column that is kept as the file has it
RESERVED = (LABEL, TRUTH, GROUP, USER, TIME, WEIGHT)
BAGS = ("mean", "sum", "sequence", "vector")  # encodings with slots that may be unused
PAST_LABELS = 3  # ids of the labels in a history: 0 not given, 1 no click, 2 a click


@dataclass(frozen=True)
class Column:
    """A raw column of a source; one of kind MULTI holds lists, of kind VECTOR arrays of numbers."""

    name: str
    kind: str


@dataclass(frozen=True)
class Slice:
    """Rows of a source that are still to be read.

    Attributes:
        part: ``train``, ``valid`` or ``test``, or ``all`` where the split is still to be made.
        share: of the source, up to the end of these rows.
        read: gives the frame of these rows: the source's columns, LABEL where there are labels (1
            for a click, 0 or -1 for none as the file has it; null for a row without one),
            TRUTH (the logit of the click probability) where it is known, GROUP where the raw
            values of ``data.group`` are in no column of the source, USER and TIME (a number that
            grows with it) where they are declared, WEIGHT (a finite number from 0 up) of weighted
            rows.
    """

    part: str
    share: float
    read: Callable[[], pl.DataFrame]


def clicks(frame: pl.DataFrame) -> npt.NDArray[np.uint8]:
    """Return 1 for each clicked row of a source's frame, else 0."""
    return (frame[LABEL] > 0).to_numpy().astype(np.uint8)


@dataclass(frozen=True)
class Field:
    """A column once encoded.

    Attributes:
        encoding: ``vocabulary``, ``log_squared``, ``quantile``, ``value``, ``mean`` and ``sum`` for
            a field of several values, by how their embeddings are pooled, or ``sequence`` for a
            list that the rows hold of past values, whose embeddings are pooled by mean. Of a
            ``vector`` each number has an embedding, which it multiplies, and their sum is taken:
            a linear map.
        size: number of ids, the out-of-vocabulary id 0 included; the last one of a field of several
            values fills its unused slots.
        slots: columns of ids.
        past: of a field of the history, the field whose ids it has (or LABEL): those of the last
            rows of the same user, the oldest first.
    """

    name: str
    encoding: str
    size: int
    slots: int = 1
    past: str | None = None

    @property
    def padding(self) -> int:
        """The id of an unused slot, -1 where there can be none."""
        return self.size - 1 if self.encoding in BAGS else -1


@dataclass(frozen=True)
class Schema:
    """The fields of a store, in the order of its columns, and the crosses made of them."""

    fields: tuple[Field, ...]
    crosses: tuple[Field, ...] = ()

    @property
    def features(self) -> int:
        """V, the rows of an embedding table over all fields."""
        return sum(field.size for field in self.fields)

    @property
    def slots(self) -> int:
        """S, the columns of ids of the fields; those of the crosses follow them."""
        return sum(field.slots for field in self.fields)

    @property
    def field_of_slot(self) -> list[int]:
        """The position of the field that each slot belongs to."""
        return [i for i, field in enumerate(self.fields) for _ in range(field.slots)]

    @property
    def offsets(self) -> list[int]:
        """For each slot, the first feature of its field in that table."""
        starts = [0]
        for field in self.fields:
            starts.append(starts[-1] + field.size)
        return [starts[i] for i in self.field_of_slot]

    @property
    def value_slots(self) -> list[int]:
        """The slots that carry a value besides their id."""
        encodings = [self.fields[i].encoding for i in self.field_of_slot]
        return [slot for slot, encoding in enumerate(encodings) if encoding in ("value", "vector")]

    @property
    def present(self) -> "Schema":
        """The fields of the row itself; those of its history follow them."""
        return Schema(tuple(field for field in self.fields if field.past is None))

    @property
    def history(self) -> tuple[Field, ...]:
        """The fields of the history, all of as many slots; that of the labels is the last."""
        return tuple(field for field in self.fields if field.past is not None)

    @property
    def sequences(self) -> tuple[Field, ...]:
        """The fields of a history that the rows themselves hold."""
        return tuple(field for field in self.fields if field.encoding == "sequence")

    @property
    def crossed(self) -> "Schema":
        """The fields and the crosses as fields of one schema: the wide part of Wide & Deep."""
        return Schema(self.fields + self.crosses)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the fields as plain data for ``store.json``."""
        return [asdict(field) for field in self.fields]

    @classmethod
    def from_json(cls, fields: list[dict[str, Any]]) -> "Schema":
        """Return the schema that :meth:`to_json` wrote."""
        return cls(tuple(Field(**field) for field in fields))
