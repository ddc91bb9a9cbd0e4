"""Rows to predict: labels that are not there, and data frames of any library."""

import datetime as dt
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support import Compose, criteo_line, run, run_directory

import ctrbench
from ctrbench.data.sources.criteo import CATEGORICAL_NAMES, NUMERIC_NAMES
from ctrbench.data.sources.registry import open_source
from ctrbench.errors import UserError
from ctrbench.runs.predict import predict

ROWS = 120
rng = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "clicked": rng.integers(2, size=ROWS),
        "code": rng.integers(1, 6, ROWS),
        "truth": rng.integers(2, size=ROWS) == 1,
        "city": rng.choice(["Oslo", "Köln", "Paris"], ROWS),
        "tags": [[str(t) for t in rng.integers(3, size=2)] for _ in range(ROWS)],
        "seen": [dt.datetime(2024, 1, 1) + dt.timedelta(hours=int(h)) for h in range(ROWS)],
        "price": rng.lognormal(size=ROWS),
    }
)
TYPES = "data.types=[code:category,truth:category,city:category,tags:multi,seen:date,price:number]"


@pytest.fixture(scope="module")
def of_table(folder: Path, shared: Compose) -> Path:
    """A run on the frame."""
    FRAME.write_parquet(folder / "frame.parquet")
    files = ["data=table", f"data.path={folder}/frame.parquet", "data.label=clicked"]
    own = shared("model=fm", "model.init_std=1", "data.min_count=1", TYPES, *files)
    run(own)
    return run_directory(own).path


@pytest.fixture(scope="module")
def of_criteo(rows_file: Path, shared: Compose) -> Path:
    own = shared("model=lr", "data=criteo", f"data.path={rows_file}", "data.min_count=1")
    run(own)
    return run_directory(own).path


@pytest.fixture(scope="module")
def of_libsvm(folder: Path, shared: Compose) -> Path:
    path = folder / "rows.libsvm"
    path.write_text("".join(f"{i % 2} 0:{i % 5}:1 1:{i % 3}:1\n" for i in range(ROWS)))
    own = shared("model=lr", "data=libsvm", f"data.path={path}", "data.min_count=1")
    run(own)
    return run_directory(own).path


def probabilities(folder: Path, rows: Path) -> list[str]:
    with (rows.parent / "out").open("wb") as out:
        predict(folder, rows, out)
    return (rows.parent / "out").read_text().splitlines()


@pytest.mark.parametrize("labels", ["absent", "null", "empty", "NaN", "words", "lists"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_no_label_in_a_table(labels: str, kind: str, of_table: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "null": pl.lit(None),
        "empty": pl.lit(""),
        "NaN": pl.lit(float("nan")),
        "words": pl.lit("unknown"),
        "lists": pl.col("tags"),
    }
    frame, path = FRAME.drop("clicked"), tmp_path / f"rows.{kind}"
    if labels != "absent":
        frame = frame.with_columns(values[labels].alias("clicked"))
    if kind == "parquet":
        frame.write_parquet(path)
    elif labels == "lists":
        pytest.skip("no lists in CSV")
    else:
        frame.with_columns(pl.col("tags").list.join("|")).write_csv(path)
    expected = ctrbench.open_run(of_table).predictions(FRAME)
    found = np.array(probabilities(of_table, path), dtype=float)
    assert len(found) == ROWS
    if kind == "parquet":  # in CSV, no separator of values was declared
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("label", ["", "nan", "NULL", "7", None])
def test_no_label_in_criteo_rows(label: str | None, of_criteo: Path, tmp_path: Path) -> None:
    lines = [criteo_line(i % 2, i) for i in range(40)]
    path = tmp_path / "rows.txt"
    path.write_text("\n".join(lines) + "\n")
    expected = probabilities(of_criteo, path)
    bare = [line.partition("\t")[2] for line in lines]
    path.write_text("\n".join(bare if label is None else [f"{label}\t{line}" for line in bare]))
    assert probabilities(of_criteo, path) == expected


@pytest.mark.parametrize("label", ["nan", "?", "2", None])
def test_no_label_in_libsvm_rows(label: str | None, of_libsvm: Path, tmp_path: Path) -> None:
    bare = [f"0:{i % 5}:1 1:{i % 3}:1" for i in range(40)]
    path = tmp_path / "rows.libsvm"
    path.write_text("\n".join(f"1 {line}" for line in bare))
    expected = probabilities(of_libsvm, path)
    path.write_text("\n".join(bare if label is None else [f"{label} {line}" for line in bare]))
    assert probabilities(of_libsvm, path) == expected
    path.write_text("\n".join(["1 " + bare[0], *bare[1:]]))
    with pytest.raises(UserError, match=r"line 2: '0:1:1' is not a label"):
        probabilities(of_libsvm, path)


def test_metrics_are_of_labelled_rows(
    of_libsvm: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rows.libsvm"
    lines = [f"{label} 0:{i % 5}:1 1:0:1" for i, label in enumerate(["1", "0", "?", "1"] * 5)]
    with caplog.at_level(logging.INFO):
        path.write_text("\n".join(lines))
        probabilities(of_libsvm, path)
        assert "AUC" in caplog.text and "of the 15 rows with a label" in caplog.text
        caplog.clear()
        path.write_text("\n".join(line.replace("?", "-1") for line in lines))
        probabilities(of_libsvm, path)
        assert "AUC 0" not in caplog.text and "three values" in caplog.text


class ArrowTable:
    """What pyarrow, DuckDB and others give: a stream of Arrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


def as_bytes(frame: pl.DataFrame) -> pl.DataFrame:
    codes = pl.col("code").cast(pl.String).cast(pl.Binary)
    tags = pl.col("tags").cast(pl.List(pl.Binary))
    return frame.with_columns(codes, tags, pl.col("city").cast(pl.Binary))


def in_objects(frame: pl.DataFrame) -> pd.DataFrame:
    """As database drivers give rows."""
    rows = pd.DataFrame({name: frame[name].to_list() for name in frame.columns})
    rows["code"] = pd.Series([Decimal(f"{code}.00") for code in rows["code"]], dtype=object)
    rows["city"] = pd.Series([city.encode() for city in rows["city"]], dtype=object)
    rows["tags"] = pd.Series([np.array(tags) for tags in rows["tags"]], dtype=object)
    rows["truth"] = rows["truth"].map({True: 1.0, False: 0.0})
    return rows


FRAMES: dict[str, Any] = {
    "lazy": lambda frame: frame.lazy(),
    "Arrow": ArrowTable,
    "bytes": as_bytes,
    "categorical": lambda frame: frame.with_columns(pl.col("city").cast(pl.Categorical)),
    "decimals": lambda frame: frame.with_columns(pl.col("code").cast(pl.Decimal(10, 2))),
    "floats": lambda frame: frame.with_columns(pl.col("code", "truth").cast(pl.Float64)),
    "wide integers": lambda frame: frame.with_columns(pl.col("code").cast(pl.Int128)),
    "arrays": lambda frame: frame.with_columns(pl.col("tags").list.to_array(2)),
    "elements": lambda frame: frame.with_columns(pl.col("tags").cast(pl.List(pl.Float32))),
    "objects": lambda frame: frame.with_columns(
        pl.Series("code", frame["code"].to_list(), dtype=pl.Object)
    ),
    "pandas": in_objects,
    "pandas categories": lambda frame: in_objects(frame).astype({"code": "category"}),
    "pandas booleans": lambda frame: in_objects(frame).astype({"truth": "boolean"}),
    "pandas integers": lambda frame: in_objects(frame).assign(
        code=pd.array(frame["code"].to_list(), dtype="Int64")
    ),
    "text": lambda frame: frame.with_columns(
        pl.col("code", "truth").cast(pl.String), pl.col("seen").cast(pl.String)
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_predictions_for_frames(kind: str, of_table: Path) -> None:
    opened = ctrbench.open_run(of_table)
    expected = opened.predictions(FRAME)
    assert len(np.unique(expected)) > ROWS / 2
    found = opened.predictions(FRAMES[kind](FRAME.drop("clicked")))
    np.testing.assert_array_equal(found, expected)


def test_frames_of_criteo(of_criteo: Path, rows_file: Path) -> None:
    names = ["label", *NUMERIC_NAMES, *CATEGORICAL_NAMES]
    text = pl.read_csv(
        rows_file,
        separator="\t",
        has_header=False,
        new_columns=names,
        schema_overrides=[pl.String] * 40,
    )
    opened = ctrbench.open_run(of_criteo)
    expected = opened.predictions(text)
    numbers = pl.col(NUMERIC_NAMES).cast(pl.Float64)
    for frame in (
        text.with_columns(pl.col(CATEGORICAL_NAMES).cast(pl.Binary)),
        text.with_columns(numbers),
        text.drop("label").with_columns(numbers.cast(pl.Decimal(20, 1))),
        pd.DataFrame(text.with_columns(numbers).to_dict(as_series=False)),
    ):
        np.testing.assert_array_equal(opened.predictions(frame), expected)


def test_what_is_no_frame(of_table: Path, of_criteo: Path) -> None:
    for path in (of_table, of_criteo):
        opened = ctrbench.open_run(path)
        for rows in ([[1, 2]], {"a": [1]}, np.zeros((2, 2)), None):
            with pytest.raises(UserError, match="give a data frame of pandas or polars"):
                opened.predictions(rows)
    opened = ctrbench.open_run(of_table)
    with pytest.raises(UserError, match="no column code"):
        opened.predictions(FRAME.drop("code"))
    odd = pd.DataFrame({name: FRAME[name].to_list() for name in FRAME.columns})
    odd["city"] = pd.Series([b"a", b"\xff"] * (ROWS // 2), dtype=object)
    with pytest.raises(UserError, match="row 2, column city: bytes that are not UTF-8"):
        opened.predictions(odd)
    with pytest.raises(UserError, match="column city: values of type Struct"):
        opened.predictions(FRAME.with_columns(pl.struct("city").alias("city")))


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("declared", ["s", "ms", "us"])
def test_unix_times_in_another_unit(
    unit: str, declared: str, settings: Compose, tmp_path: Path
) -> None:
    """Values that are recent times in one unit alone are read in it."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6}
    seconds = FRAME["seen"].dt.epoch("s")
    path = tmp_path / "rows.parquet"
    FRAME.with_columns(seen=seconds * per_second[unit]).write_parquet(path)
    files = ["data=table", f"data.path={path}", "data.label=clicked"]
    source = open_source(settings(*files, f"data.types=[seen:date:{declared}]").data)
    (piece,) = source.slices()
    assert piece.read()["seen.hour"].to_list() == FRAME["seen"].dt.hour().to_list()


@pytest.mark.parametrize(
    ("name", "values"), [("price", ["cheap"] * ROWS), ("seen", ["9999-12-31 23:59:59"] * ROWS)]
)
def test_advice_for_rows_to_predict(
    name: str, values: list[str], of_table: Path, tmp_path: Path
) -> None:
    """Prediction takes no options of data: the advice says when they are set."""
    path = tmp_path / "rows.parquet"
    FRAME.with_columns(pl.Series(name, values)).write_parquet(path)
    with pytest.raises(UserError, match=rf"column {name}.*data\.types=.*train again with it$"):
        probabilities(of_table, path)


def test_rows_to_predict_without_a_header(of_table: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    FRAME.drop("tags").write_csv(path, include_header=False)
    with pytest.raises(UserError, match=r"rows\.csv: no column .*has it a header\?"):
        probabilities(of_table, path)
