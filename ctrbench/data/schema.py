"""What a row is: its fields, and how many features each of them has.

Shape suffixes used throughout: N rows, B rows of a batch, F fields, X value fields (numeric fields
fed as a value times their embedding), V features of all fields, D columns of the table, K factors.
"""

from dataclasses import asdict, dataclass
from typing import Any

CATEGORICAL, NUMERIC = "categorical", "numeric"


@dataclass(frozen=True)
class Column:
    """A raw column of a source."""

    name: str
    kind: str


@dataclass(frozen=True)
class Field:
    """A column once encoded.

    Attributes:
        encoding: ``vocabulary``, ``log_squared``, ``quantile`` or ``value``.
        size: number of ids, the out-of-vocabulary id 0 included.
    """

    name: str
    encoding: str
    size: int


@dataclass(frozen=True)
class Schema:
    """The fields of a store, in the order of its columns."""

    fields: tuple[Field, ...]

    @property
    def features(self) -> int:
        """V, the rows of an embedding table over all fields."""
        return sum(field.size for field in self.fields)

    @property
    def offsets(self) -> list[int]:
        """The first feature of each field in that table."""
        starts = [0]
        for field in self.fields:
            starts.append(starts[-1] + field.size)
        return starts[:-1]

    @property
    def value_fields(self) -> list[int]:
        """Positions of the fields that carry a value besides their id."""
        return [i for i, field in enumerate(self.fields) if field.encoding == "value"]

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data for ``store.json``."""
        return [asdict(field) for field in self.fields]

    @classmethod
    def from_json(cls, fields: list[dict[str, Any]]) -> "Schema":
        """The inverse of :meth:`to_json`."""
        return cls(tuple(Field(**field) for field in fields))
