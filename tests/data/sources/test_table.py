"""Anyone's table: what types are found, how each is read, what is left out."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data.sources.tables import (
    CODES,
    FOUND,
    FRAME,
    ROWS,
    column,
    prepared,
    rng,
    rows_of,
    table,
    write,
)
from support import Compose, store_of

from ctrbench.data.schema import LABEL
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.table import Table
from ctrbench.data.store import stages
from ctrbench.errors import UserError


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "csv.gz", "parquet"])
def test_types_are_found(kind: str, settings: Compose, tmp_path: Path) -> None:
    source = table(settings, write(tmp_path, kind))
    assert {name: str(type_) for name, type_ in source.types.items()} == FOUND


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_rows_are_those_of_the_file(kind: str, settings: Compose, tmp_path: Path) -> None:
    rows = rows_of(table(settings, write(tmp_path, kind)))
    assert rows[LABEL].to_list() == FRAME["clicked"].to_list()
    for name in ("user_id", "city", "zip", "stars"):
        assert rows[name].to_list() == FRAME[name].cast(pl.String).to_list()
    assert rows["mobile"].to_list() == ["1" if mobile else "0" for mobile in FRAME["mobile"]]
    for name in ("price", "visits"):
        assert rows[name].to_list() == FRAME[name].cast(pl.Float64).to_list()
    for part in ("hour", "weekday"):
        assert rows[f"seen.{part}"].to_list() == getattr(FRAME["seen"].dt, part)().to_list()
    assert rows["born.weekend"].to_list() == (FRAME["born"].dt.weekday() > 5).to_list()
    assert "born.hour" not in rows.columns and "comment" not in rows.columns


def test_types_are_declared(settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    source = table(settings, path, "data.types=[visits:category,stars:number,born:skip]")
    assert str(source.types["visits"]) == "category" and str(source.types["stars"]) == "number"
    assert "born.weekday" not in rows_of(source).columns
    only = table(settings, path, "data.types=[stars:number,city:category,'*:skip']")
    assert [column.name for column in only.columns] == ["stars", "city"]
    codes = table(settings, path, "data.types=['*:category']")
    assert {str(type_) for type_ in codes.types.values()} == {"category"}


def test_resolved_types_read_the_same_elsewhere(settings: Compose, tmp_path: Path) -> None:
    source = table(settings, write(tmp_path, "csv"))
    again = Table(source.resolved())
    assert again.columns == source.columns and again.types == source.types
    few = tmp_path / "few.csv"
    FRAME.drop("clicked").head(3).write_csv(few)
    frame = next(again.slices_of(few)).read()
    assert LABEL not in frame.columns and len(frame) == 3


def test_three_files(settings: Compose, tmp_path: Path) -> None:
    words = []
    for part, rows in {
        "train": FRAME.head(300),
        "valid": FRAME[300:350],
        "test": FRAME[350:],
    }.items():
        rows.write_csv(tmp_path / f"{part}.csv")
        words.append(f"data.{part}={tmp_path / part}.csv")
    assert prepared(settings, *words).summary()["rows"] == {"train": 300, "valid": 50, "test": 50}
    FRAME.drop("stars").head(50).write_csv(tmp_path / "test.csv")
    with pytest.raises(UserError, match=r"test.csv: its columns differ .* stars"):
        open_source(settings("data=table", "data.label=clicked", *words).data).check()


def test_avazu_needs_no_code(settings: Compose, tmp_path: Path) -> None:
    names = ["id", "click", "hour", "C1", "site_id", "device_ip", "C21"]
    lines = [
        f"{10**18 + i},{i % 3 // 2},141021{i % 24:02},1005,{i % 5:08x},{i % 11:08x},{i % 7}"
        for i in range(300)
    ]
    path = tmp_path / "train.gz"
    path.write_bytes(gzip.compress("\n".join([",".join(names), *lines]).encode()))
    own = settings("data=avazu", f"data.path={path}", "data.exclude=[C1,hour.weekday,hour.weekend]")
    store = store_of(own)
    fields = {field.name: field.size for field in store.schema.fields}
    assert fields == {"hour.hour": 25, "site_id": 6, "device_ip": 12, "C21": 8}


def test_the_label_is_no_feature(settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    for types in ("clicked:category,city:category,'*:skip'", "clicked:category"):
        source = table(settings, path, f"data.types=[{types}]")
        assert "clicked" not in [column.name for column in source.columns]


def test_columns_that_training_rows_make_useless(settings: Compose, tmp_path: Path) -> None:
    """Left out, whether their type was found or declared."""
    path = tmp_path / "rows.csv"
    almost = [f"text {max(i, 1)}" for i in range(ROWS)]  # but for one, all are different
    FRAME.select("clicked", "city", pl.Series("almost", almost)).write_csv(path)
    for declared in ([], [CODES]):
        own = settings("data=table", f"data.path={path}", "data.label=clicked", *declared)
        assert [f.name for f in store_of(own).schema.fields] == ["city"]


@pytest.mark.parametrize(
    ("distinct", "rows", "type_", "doubt"),
    [
        (10, 200, "category", ""),
        (10, 199, "number", "data.types=[x:category]"),
        (99, 1980, "category", ""),
        (100, 2000, "category", "data.types=[x:number]"),
        (300, 400, "number", "data.types=[x:category]"),
    ],
)
def test_whole_numbers_are_codes_where_they_repeat(
    distinct: int, rows: int, type_: str, doubt: str, settings: Compose, tmp_path: Path
) -> None:
    values = [*range(distinct), *([0, 5, 3] * rows)][:rows]
    source = column(settings, tmp_path, list(values))
    assert str(source.types["x"]) == type_
    assert source.doubts.get("x", "").endswith(doubt) and bool(source.doubts) is bool(doubt)


@pytest.mark.parametrize(("rows", "type_"), [(99, "category"), (100, "skip")])
def test_few_rows_say_nothing_of_differing_values(
    rows: int, type_: str, settings: Compose, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    frame = FRAME.select("clicked", "city", "comment").head(rows)
    frame.write_csv(path)
    source = table(settings, path)
    assert str(source.types["comment"]) == type_
    said = {"comment": "all values are different"} if type_ == "skip" else {}
    assert source.left_out == said


def test_what_was_found_is_said_once(
    settings: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"data.path={write(tmp_path, 'csv')}", "data.exclude=[stars,row]", "split=order"]
    with caplog.at_level("INFO"):
        store = prepared(settings, *words)
        assert caplog.text.count("| visits ") == 1
        prepared(settings, *words)
    assert caplog.text.count("| visits ") == 1
    lines = {line.split("|")[1].strip(): line for line in caplog.text.split("\n") if "| " in line}
    train = FRAME.head(ROWS * 8 // 10)  # a missing price is no distinct value
    distinct, missing = train["price"].drop_nulls().n_unique(), train["price"].null_count()
    share = f"{missing / len(train):.1%}"
    assert [cell.strip() for cell in lines["price"].strip("|").split("|")] == [
        *("price", "numeric", "quantile", str(distinct), share, "33", "")
    ]
    assert lines["visits"].endswith("data.types=[visits:category] |")
    assert "left out: all values are equal" in lines["same"]
    assert "stars" not in lines and "row" not in lines
    assert list(store.manifest["doubts"]) == ["visits"]


def test_a_wide_table_is_few_files(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as it has passes, and the same ids however many columns a pass takes."""
    path, width = tmp_path / "rows.csv", 100
    values = rng.integers(0, 3, (60, width)).astype(str)
    frame = pl.DataFrame(values, [f"c{i}" for i in range(width)])
    frame.insert_column(0, pl.Series("clicked", [0, 1] * 30)).write_csv(path)
    words = [f"data.path={path}", "split.fractions=[.6,.2,.2]"]
    whole = prepared(settings, *words)
    assert len(whole.schema.fields) == width and len(list(whole.folder.rglob("*"))) < 20
    monkeypatch.setattr(stages, "FIT_CELLS", 7 * 60)
    pieces = prepared(settings, *words, f"results={tmp_path}/pieces")
    assert len(list(pieces.folder.glob("vocabulary/*"))) == 15
    for part in ("train", "test"):
        np.testing.assert_array_equal(pieces.part(part).ids_NS, whole.part(part).ids_NS)
    rows = rows_of(table(settings, path))
    np.testing.assert_array_equal(pieces.encoder()(rows)[0], whole.encoder()(rows)[0])
