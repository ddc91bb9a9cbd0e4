"""The Criteo Display Advertising file (Kaggle, 2014): 40 tab-separated columns, no header."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, NUMERIC, Column, Slice
from ctrbench.data.settings import CriteoSettings
from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.labels import EXPECTED, parse_labels
from ctrbench.data.sources.registry import reads
from ctrbench.data.sources.text import Block, blocks, parse
from ctrbench.errors import UserError

NUMERIC_NAMES = [f"I{i}" for i in range(1, 14)]
CATEGORICAL_NAMES = [f"C{i}" for i in range(1, 27)]
COLUMNS: dict[str, pl.DataType] = {
    LABEL: pl.String(),
    **dict.fromkeys(NUMERIC_NAMES, pl.Int64()),
    **dict.fromkeys(CATEGORICAL_NAMES, pl.String()),
}


@reads(CriteoSettings)
class Criteo(FileSource):
    """Label, 13 integers and 26 categories a row; the test file of the challenge has no label."""

    columns = tuple(
        [Column(name, NUMERIC) for name in NUMERIC_NAMES]
        + [Column(name, CATEGORICAL) for name in CATEGORICAL_NAMES]
    )

    @staticmethod
    def category_text(column: pl.Series) -> pl.Series:
        return hex_digits(column)

    def slices_of(self, path: Path, part: str = "all", *, labelled: bool = True) -> Iterator[Slice]:
        columns = COLUMNS
        for block in blocks(path):
            tabs = block.data.partition(b"\n")[0].count(b"\t")
            if block.line == 1 and tabs == len(self.columns) - 1:
                columns = {name: kind for name, kind in COLUMNS.items() if name != LABEL}
            yield Slice(part, block.share, partial(_frame, path, block, columns, labelled=labelled))


def to_text(frame: pl.DataFrame) -> bytes:
    """Format labelled rows in the raw layout that :class:`Criteo` reads."""
    rows = frame.select(LABEL, *NUMERIC_NAMES, *CATEGORICAL_NAMES)
    rows = rows.with_columns(hex_digits(rows[name]) for name in CATEGORICAL_NAMES)
    return rows.write_csv(separator="\t", include_header=False).encode()


def hex_digits(column: pl.Series) -> pl.Series:
    """Return categories as the eight hex digits that stand for them in a file."""
    digits = column.fill_null(0).to_numpy().astype(">u4").tobytes().hex().encode()
    text = pl.Series(column.name, np.frombuffer(digits, "S8")).cast(pl.String)
    return text.set(column.is_null(), None)


def _frame(
    path: Path, block: Block, columns: dict[str, pl.DataType], *, labelled: bool
) -> pl.DataFrame:
    """Parse a block; categories become the 32-bit numbers that their hex digits stand for."""
    raw = parse(path, block, columns)
    hexes = [
        pl.col(name).str.to_integer(base=16, dtype=pl.UInt32, strict=False)
        for name in CATEGORICAL_NAMES
    ]
    frame = raw.with_columns(*hexes)
    for name in CATEGORICAL_NAMES:
        if frame[name].null_count() != raw[name].null_count():
            bad = int((frame[name].is_null() & raw[name].is_not_null()).arg_max() or 0)
            raise UserError(
                f"{path}, line {block.line + bad}, column {name}: {raw[name][bad][:40]!r} is not a "
                "category of up to 8 hex digits"
            )
    if LABEL not in columns:
        return frame
    labels = parse_labels(raw[LABEL])
    if labelled and labels.has_nulls():
        wrong = int(labels.is_null().arg_max() or 0)
        value = raw[LABEL][wrong]
        cell = "empty" if value is None else f"{value[:40]!r}"
        raise UserError(
            f"{path}, line {block.line + wrong}, column label: {cell} is not {EXPECTED}"
        )
    return frame.with_columns(labels)
