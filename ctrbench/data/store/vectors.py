"""The encoder of vectors: lists of as many numbers in every row."""

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field

Ids = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]


class Vector:
    """Numbers, each of which multiplies an embedding of its own: the sum is a linear map of them.

    Ids count the numbers from 1. A missing vector has the id 0, once.
    """

    missing_id = 0

    def __init__(self, name: str, length: int) -> None:
        self.field = Field(name, "vector", length + 2, length)

    def ids(self, column: pl.Series) -> Ids:
        missing = np.full(self.field.slots, self.field.padding, np.int32)
        missing[0] = 0
        present = np.arange(1, self.field.slots + 1, dtype=np.int32)
        return np.where(column.is_null().to_numpy()[:, None], missing, present)

    def values(self, column: pl.Series) -> Values:
        """Return the numbers NS; 1 in place of those of a missing vector."""
        values_NS = np.ones((len(column), self.field.slots), np.float32)
        values_NS[column.is_not_null().to_numpy()] = column.drop_nulls().to_numpy()
        return values_NS

    def state(self) -> pl.Series:
        return pl.Series([self.field.slots])
