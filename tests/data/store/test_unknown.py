"""The warning of a field whose values are written differently in another file."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support import Compose, run, run_directory, store_of

import ctrbench
from ctrbench.report.dataset import warnings
from ctrbench.runs.predict import predict

ROWS = 200
rng = np.random.default_rng(0)
X = rng.integers(2, size=ROWS)
CODES = [f"{code:03}" for code in rng.integers(1, 9, ROWS)]
FRAME = pl.DataFrame(
    {
        "clicked": rng.integers(2, size=ROWS),
        "x": X,
        "code": CODES,
        "letter": [["a", "b"][x] for x in X],
        "tags": [[code, "t"] for code in CODES],
        "amount": rng.normal(size=ROWS),
    }
)
OTHERWISE: dict[str, tuple[str, pl.Expr]] = {
    "yes and no": ("x", pl.when(pl.col("x") == 1).then(pl.lit("yes")).otherwise(pl.lit("no"))),
    "without zeros": ("code", pl.col("code").cast(pl.Int64)),
    "decimals": ("code", pl.col("code").cast(pl.Decimal(10, 2))),
    "upper case": ("letter", pl.col("letter").str.to_uppercase()),
    "padded": ("letter", pl.col("letter") + " "),
    "missing": ("letter", pl.lit(None, pl.String)),
    "missing numbers": ("amount", pl.lit(None, pl.Float64)),
    "elements": ("tags", pl.col("tags").list.eval(pl.element() + "x")),
}
THE_SAME: dict[str, pl.Expr] = {
    "as it is": pl.col("x"),
    "booleans": pl.col("x") == 1,
    "decimals": pl.col("x").cast(pl.Decimal(10, 2)).alias("x"),
    "bytes": pl.col("x").cast(pl.String).cast(pl.Binary),
    "floats": pl.col("x").cast(pl.Float64),
}
TYPES = "data.types=[x:category,code:category,letter:category,tags:multi,amount:number]"


def words(folder: Path, test: pl.DataFrame) -> list[str]:
    parts = {"train": FRAME[:120], "valid": FRAME[120:160], "test": test[160:]}
    for name, frame in parts.items():
        frame.write_parquet(folder / f"{name}.parquet")
    files = [f"data.{name}={folder}/{name}.parquet" for name in parts]
    return ["data=table", "data.label=clicked", "data.min_count=1", TYPES, *files]


@pytest.mark.parametrize("kind", OTHERWISE)
def test_values_written_otherwise(kind: str, settings: Compose, tmp_path: Path) -> None:
    name, values = OTHERWISE[kind]
    test = FRAME.with_columns(values.alias(name))
    store = store_of(settings("model=lr", *words(tmp_path, test)))
    (warning,) = [text for text in warnings(store) if "unknown" in text]
    assert f"100% of the test rows have values of field {name} " in warning
    assert "\n" not in warning and warning.endswith("are they written differently there?")


@pytest.mark.parametrize("kind", THE_SAME)
def test_the_same_values(kind: str, settings: Compose, tmp_path: Path) -> None:
    test = FRAME.with_columns(THE_SAME[kind].alias("x"))
    store = store_of(settings("model=lr", *words(tmp_path, test)))
    reference = store_of(settings("model=lr", *words(tmp_path, FRAME)))
    assert not [text for text in warnings(store) if "unknown" in text]
    np.testing.assert_array_equal(store.part("test").ids_NS, reference.part("test").ids_NS)


def test_a_value_that_is_rare_or_missing_in_training_too(settings: Compose, tmp_path: Path) -> None:
    train = FRAME.with_columns(
        letter=pl.when(pl.int_range(ROWS) % 10 < 6).then(None).otherwise("letter"),
        code=pl.int_range(ROWS).cast(pl.String) + pl.lit("x"),
    )
    parts = {"train": train[:120], "valid": train[120:160], "test": train[160:]}
    for name, frame in parts.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    files = [f"data.{name}={tmp_path}/{name}.parquet" for name in parts]
    own = ["data=table", "data.label=clicked", "data.min_count=2", TYPES, *files]
    store = store_of(settings("model=lr", *own))
    assert not [text for text in warnings(store) if "unknown" in text]


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "unknown" in record.getMessage()]


def test_train_and_predict_warn(
    settings: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsysbinary: Any
) -> None:
    """Each time that the rows are used, in one line; not for rows that are as in training."""
    test = FRAME.with_columns(x=pl.lit("yes"), letter=pl.lit("B"), code=pl.lit("z"))
    test = test.with_columns(tags=pl.col("tags").list.eval(pl.lit("no")))
    own = settings("model=lr", *words(tmp_path, test))
    with caplog.at_level(logging.INFO):
        run(own)
        (said,) = texts(caplog)
        assert "'yes'; training has '" in said and "and 1 more field:" not in said
        assert "so it is with 1 more field:" in said
        caplog.clear()
        folder = run_directory(own).path
        with (tmp_path / "out").open("wb") as out:
            predict(folder, tmp_path / "test.parquet", out)
            assert len(texts(caplog)) == 1 and "100% of the rows" in texts(caplog)[0]
            caplog.clear()
            predict(folder, tmp_path / "valid.parquet", out)
            assert texts(caplog) == []
        opened = ctrbench.open_run(folder)
        frame = pd.DataFrame(FRAME.drop("tags").to_dict(as_series=False))
        frame["tags"] = FRAME["tags"].to_list()
        opened.predictions(frame)
        assert texts(caplog) == []
        opened.predictions(frame.assign(letter=frame["letter"].str.encode("utf-8")))
        assert texts(caplog) == []  # bytes are text
        opened.predictions(frame.assign(letter="B"))
        assert len(texts(caplog)) == 1
        opened.predictions(frame[:3].assign(letter="B"))
        assert len(texts(caplog)) == 1  # too few to say
