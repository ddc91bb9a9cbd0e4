"""Tables that tests read: one of every type of column, and one of a column of one's own."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
from support import Compose, store_of

from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.table import Table
from ctrbench.data.store.opened import Store

ROWS = 400
rng = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "row": np.arange(ROWS),
        "user_id": rng.integers(1000, 1100, ROWS),
        "city": rng.choice(["Oslo", "Paris, FR", 'the "big" one', "two\nlines", "Köln"], ROWS),
        "zip": [f"{z:05}" for z in rng.integers(0, 50, ROWS)],
        "price": rng.lognormal(size=ROWS).round(4),
        "visits": rng.integers(0, 10_000, ROWS),
        "stars": rng.integers(1, 6, ROWS),
        "seen": pl.Series(rng.integers(1_700_000_000, 1_702_000_000, ROWS) * 10**6).cast(
            pl.Datetime("us")
        ),
        "born": pl.Series(rng.integers(0, 10_000, ROWS)).cast(pl.Date),
        "mobile": rng.integers(2, size=ROWS) == 1,
        "comment": [f"text {i}" for i in range(ROWS)],
        "same": ["x"] * ROWS,
        "nothing": pl.Series([None] * ROWS, dtype=pl.String),
        "clicked": rng.integers(2, size=ROWS),
    }
).with_columns(pl.when(pl.col("row") % 7 == 0).then(None).otherwise(pl.col("price")).alias("price"))
FOUND = {
    "user_id": "category",
    "city": "category",
    "zip": "category",
    "price": "number",
    "visits": "number",
    "stars": "category",
    "seen": "date",
    "born": "day",
    "mobile": "category",
    "row": "skip",
    "comment": "skip",
    "same": "skip",
    "nothing": "skip",
}


def write(folder: Path, kind: str, frame: pl.DataFrame = FRAME) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        frame.write_parquet(path)
        return path
    separator = "\t" if kind.startswith("tsv") else ";" if kind == "txt" else ","
    text = frame.write_csv(separator=separator).encode()
    path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    return path


def table(settings: Compose, path: Path, *words: str) -> Table:
    source = open_source(
        settings("data=table", f"data.path={path}", "data.label=clicked", *words).data
    )
    assert isinstance(source, Table)
    return source


def rows_of(source: Table) -> pl.DataFrame:
    return pl.concat([piece.read() for piece in source.slices()])


def prepared(settings: Compose, *words: str) -> Store:
    own = settings("data=table", "data.label=clicked", "data.min_count=1", *words)
    return store_of(own)


def column(settings: Compose, folder: Path, values: list[object], *words: str) -> Table:
    """A table of one column, x, beside the label."""
    path = folder / "column.csv"
    clicked = [i % 2 for i in range(len(values))]
    pl.DataFrame({"clicked": clicked, "x": [str(v) for v in values]}).write_csv(path)
    return table(settings, path, *words)


CODES = "data.types=['*:category']"
