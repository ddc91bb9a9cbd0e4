"""A block of a table's rows as text, however its file holds them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Cells:
    """A block of rows.

    Attributes:
        frame: columns of text, an empty cell null; a list column of a Parquet file holds lists, of
            text or, of vectors, of numbers.
        where: names a row of the frame, for a message.
        not_text: columns of bytes that are not UTF-8 text (all null in the frame), and the first
            row that is not.
        numbers: columns that the file holds as numbers.
    """

    frame: pl.DataFrame
    where: Callable[[int], str]
    not_text: dict[str, int] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()


Read = Callable[[], Cells]
