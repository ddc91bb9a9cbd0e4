"""Hashed values: a fixed number of features for a field, whatever values there will be.

The bucket of a value is its BLAKE2b digest of 8 bytes (RFC 7693) of the UTF-8 text, read as a
little-endian number, modulo the number of buckets: the same on every machine and in every version.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field

HASH = "hash"  # the encoding of a field of one value
Ids = npt.NDArray[np.int32]


def bucket(value: str, buckets: int) -> int:
    """Return the bucket of a value, from 0."""
    digest = blake2b(value.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % buckets


class Hashed:
    """Values by their bucket, from id 1 on; a missing value has id 0, and no value is unknown."""

    missing_id = 0

    def __init__(self, name: str, encoding: str, buckets: int) -> None:
        self.buckets = buckets
        self.field = Field(name, encoding, buckets + 1)

    def ids(self, column: pl.Series) -> Ids:
        """Return the id of every value."""
        values = column.cast(pl.String).alias("value")
        distinct = values.drop_nulls().unique()
        ids = [1 + bucket(value, self.buckets) for value in distinct]
        table = pl.DataFrame({"value": distinct, "id": pl.Series(ids, dtype=pl.Int32)})
        joined = values.to_frame().join(table, on="value", how="left", maintain_order="left")
        return joined["id"].fill_null(0).to_numpy()

    def state(self) -> pl.Series:
        """Return the number of buckets as a struct, as no vocabulary is."""
        return pl.Series([{"buckets": self.buckets}])
