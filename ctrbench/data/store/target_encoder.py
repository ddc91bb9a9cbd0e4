"""Target statistics: the click rate and count of a field's value, as numbers beside the field.

The rate is smoothed as ``sklearn.preprocessing.TargetEncoder(smooth="auto")`` does it, an empirical
Bayes estimate (Micci-Barreca 2001): the fewer rows a value has, the closer it is to the mean rate.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]
Values = npt.NDArray[np.float32]
TARGET = "target"  # the encoding as it is declared


def rate_of(name: str) -> str:
    """Return the name of the click rate of a field's values."""
    return f"{name}.rate"


def count_of(name: str) -> str:
    """Return the name of the count of a field's values."""
    return f"{name}.count"


def smoothed_rates(rows_V: Ints, clicks_V: Ints) -> Floats:
    """Return the smoothed click rate of each of V ids.

    With n rows of rate p and the rate q of all rows: l p + (1 - l) q, where
    l = n v / (n v + p (1 - p)) and v = q (1 - q).

    Args:
        rows_V: training rows of each id; 0 gives q.
        clicks_V: clicks among them.
    """
    rows = rows_V.sum()
    mean = clicks_V.sum() / rows if rows else 0.0
    variance = mean * (1 - mean)
    if variance == 0:
        return np.full(len(rows_V), mean)
    rate_V = np.divide(clicks_V, rows_V, out=np.full(len(rows_V), mean), where=rows_V > 0)
    signal_V = variance * rows_V
    share_V = signal_V / (signal_V + rate_V * (1 - rate_V))
    smoothed: Floats = share_V * rate_V + (1 - share_V) * mean
    return smoothed


class TargetStatistic:
    """A number for each id of a field, which multiplies an embedding.

    Attributes:
        of: the name of the field.
        by_id: V numbers, standardised over the training rows.
    """

    missing_id = 0

    def __init__(self, name: str, of: str, by_id: Floats) -> None:
        self.of, self.by_id = of, by_id
        self.field = Field(name, "value", 2)

    def ids(self, column: pl.Series) -> Ids:
        """Return 1 for each row: no value is missing."""
        return np.ones(len(column), np.int32)

    def values(self, ids_N: Ids) -> Values:
        """Return the numbers of some ids of the field."""
        values: Values = self.by_id[ids_N].astype(np.float32)
        return values

    def state(self) -> pl.Series:
        """Return the field and the numbers as one struct, as no other encoder's state is."""
        return pl.Series([{"of": self.of, "by_id": self.by_id.tolist()}])
