"""The raw rows of each split, written for other systems."""

import json
import lzma
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import REAL, Compose, criteo_line, ctrbench, needs_real_rows

from ctrbench.config.settings import RunSettings
from ctrbench.data.dataset import Dataset
from ctrbench.data.schema import LABEL
from ctrbench.data.split import PARTS
from ctrbench.data.store import raw_rows
from ctrbench.data.store.raw_rows import row_column, write_rows
from ctrbench.errors import UserError
from ctrbench.results import Results


def dataset_of(own: RunSettings) -> Dataset:
    return Dataset(own.data, own.split, Results(own.results))


def clicks_table(path: Path, rows: int = 300, start: int = 0) -> pl.DataFrame:
    """Write a table whose column ``n`` tells its rows apart; return it."""
    draw = np.random.default_rng(start)
    frame = pl.DataFrame(
        {
            "shop": [f"s{i}" for i in draw.integers(9, size=rows)],
            "n": np.arange(start, start + rows) / 7,
            "at": draw.integers(40, size=rows) + 1_700_000_000,
            "clicked": (draw.random(rows) < 0.4).astype(int),
        }
    )
    frame.write_csv(path)
    return frame


def written(folder: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in PARTS}


TABLE = ["data=table", "data.label=clicked", "data.types=[n:number]", "data.min_count=1"]


@pytest.mark.parametrize("split", ["random", "order", "time", "files"])
def test_the_rows_of_a_table(split: str, settings: Compose, tmp_path: Path) -> None:
    """All rows once, each in its split with its values, in the order of the encoded rows."""
    if split == "files":
        frames = [clicks_table(tmp_path / f"{i}.csv", 100, 100 * i) for i in range(3)]
        frame = pl.concat(frames)
        where = [f"data.{name}={tmp_path}/{i}.csv" for i, name in enumerate(PARTS)]
    else:
        frame = clicks_table(tmp_path / "rows.csv")
        where = [f"data.path={tmp_path}/rows.csv", f"split={split}", "data.time=at"]
    dataset = dataset_of(settings("model=lr", *TABLE, *where))
    counts = write_rows(dataset, tmp_path / "out")
    store, parts = dataset.prepare(), written(tmp_path / "out")
    assert sorted(pl.concat(parts.values())["row"]) == list(range(300))
    for name, rows in parts.items():
        assert len(rows) == counts[tmp_path / "out" / f"{name}.parquet"] > 0
        np.testing.assert_array_equal(rows["clicked"], store.part(name).labels_N)
        np.testing.assert_array_equal(rows["row"], dataset.row_numbers(store, name))
        own = frame[rows["row"].to_list()]
        for column in ("shop", "n", "clicked"):
            assert rows[column].to_list() == own[column].to_list()
    if split == "time":
        assert "at" not in rows.columns  # no feature
        times = [frame[rows["row"].to_list()]["at"] for rows in parts.values()]
        assert times[0].max() < times[1].min() and times[1].max() < times[2].min()


def test_the_rows_are_encoded_as_those_of_the_data_set(settings: Compose, tmp_path: Path) -> None:
    """As three files of a table, the written rows give the labels of the planted ones."""
    dataset = dataset_of(settings("model=lr", "data.rows=70000"))  # more than one slice
    write_rows(dataset, tmp_path / "out")
    store = dataset.prepare()
    for name, rows in written(tmp_path / "out").items():
        np.testing.assert_array_equal(rows["label"], store.part(name).labels_N)
        assert rows["C1"].str.contains("^[0-9a-f]{8}$").drop_nulls().all()
        assert rows["I1"].dtype.is_integer() and len(rows.columns) == 41
    files = [f"data.{name}={tmp_path}/out/{name}.parquet" for name in PARTS]
    types = "data.types=[row:skip]"
    words = ["data=table", "data.label=label", types, *files, "data.numeric=log_squared"]
    again = dataset_of(settings("model=lr", *words)).prepare()
    assert again.summary()["test_labels_sha256"] == store.summary()["test_labels_sha256"]


def test_excluded_columns_and_truths_are_not_written(settings: Compose, tmp_path: Path) -> None:
    dataset = dataset_of(settings("model=lr", "data.exclude=[C3]"))
    write_rows(dataset, tmp_path / "out")
    columns = set(written(tmp_path / "out")["test"].columns)
    assert "C3" not in columns and not any(name.startswith("__") for name in columns)


def test_a_column_named_row(settings: Compose, tmp_path: Path) -> None:
    clicks_table(tmp_path / "rows.csv").rename({"shop": "row"}).write_csv(tmp_path / "rows.csv")
    dataset = dataset_of(settings("model=lr", *TABLE, f"data.path={tmp_path}/rows.csv"))
    write_rows(dataset, tmp_path / "out")
    assert written(tmp_path / "out")["test"].columns[:4] == ["row_", "clicked", "row", "n"]
    assert row_column(dataset) == json.loads((tmp_path / "out/rows.json").read_text())["row"]


def test_a_killed_call_goes_on(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read twice, the bytes are those of a call that was not killed, none is left."""
    path = tmp_path / "train.txt"
    path.write_text("".join(criteo_line(int(i % 3 == 0), i) + "\n" for i in range(600)))
    own = settings("model=lr", "data=criteo", f"data.path={path}")
    write_rows(dataset_of(own), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(raw_rows, "join_parquet", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_rows(dataset_of(own), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    dataset = dataset_of(own)
    pieces = list(dataset.source.slices())
    monkeypatch.setattr(
        dataset.source,
        "slices",
        lambda: (type(piece)(piece.part, piece.share, _refuse) for piece in pieces),
    )
    write_rows(dataset, tmp_path / "out")
    for name in (*(f"{part}.parquet" for part in PARTS), "rows.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list(tmp_path.glob(".out-*"))


def _refuse() -> pl.DataFrame:
    raise AssertionError("read again")


def test_whole_files_are_left_and_others_written_again(settings: Compose, tmp_path: Path) -> None:
    dataset, test = dataset_of(settings("model=lr")), tmp_path / "out/test.parquet"
    counts = write_rows(dataset, tmp_path / "out")
    before = test.stat().st_ino
    assert write_rows(dataset, tmp_path / "out") == counts and test.stat().st_ino == before
    test.write_bytes(b"damaged")
    assert write_rows(dataset, tmp_path / "out") == counts
    assert len(pl.read_parquet(test)) == counts[test]
    other = dataset_of(settings("model=lr", "data.rows=2000"))
    assert sum(write_rows(other, tmp_path / "out").values()) == 2000


def test_mistakes(settings: Compose, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: is a file"):
        write_rows(dataset_of(settings("model=lr")), tmp_path / "file")
    clicks_table(tmp_path / "rows.csv")
    (tmp_path / "bad.csv").write_text("shop,clicked\na,1\nb,2\n")
    for words in (["rows.csv"], ["bad.csv", f"out={tmp_path}/out"]):
        where = f"data.path={tmp_path}/{words[0]}"
        done = ctrbench("rows", "data=table", "data.label=clicked", where, *words[1:])
        assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == [] and not list(tmp_path.glob(".out-*"))


@needs_real_rows
def test_the_rows_of_movielens(settings: Compose, tmp_path: Path) -> None:
    """Those that polars reads from the files itself, without the ratings of 3."""
    dataset = dataset_of(settings("model=lr", "data=movielens", f"data.path={REAL}/movielens-1m"))
    write_rows(dataset, tmp_path / "out")
    ratings = pl.read_csv(lzma.decompress((REAL / "movielens-1m/ratings.csv.xz").read_bytes()))
    ratings = ratings.filter(pl.col("rating") != 3)
    rows = pl.concat(written(tmp_path / "out").values()).sort("row")
    assert rows["row"].to_list() == list(range(len(ratings)))
    assert (rows["label"] == (ratings["rating"] > 3).cast(pl.UInt8)).all()
    assert (rows["user"] == ratings["user"].cast(pl.String)).all()
    assert rows["genres"].dtype == pl.List(pl.String) and LABEL not in rows.columns
