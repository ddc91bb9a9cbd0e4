"""Predictions written to a file beside columns of the rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, run, run_directory, settings_in

from ctrbench.data.sources import parquet
from ctrbench.runs.interface import Run

ROWS = 300


def rows_of(number: int) -> pl.DataFrame:
    draw = np.random.default_rng(number)
    frame = {
        "user_id": [f"u{i:03}" for i in range(ROWS)],  # all different: no field
        "shop": draw.integers(6, size=ROWS),
        "price": draw.exponential(size=ROWS).round(3),
        "tags": [[f"t{i}"] for i in draw.integers(3, size=ROWS)],
        "clicked": draw.integers(2, size=ROWS),
    }
    return pl.DataFrame(frame)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict")
    rows_of(0).write_parquet(folder / "train.parquet")
    compose: Compose = settings_in(folder)
    where = f"data.path={folder}/train.parquet"
    own = compose("model=fm", "model.init_std=1", "data=table", "data.label=clicked", where)
    run(own)
    return run_directory(own).path


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_columns_are_kept(
    kind: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the rows and with their types, over several blocks, of a field or not."""
    monkeypatch.setattr(parquet, "SLICE_ROWS", 128)
    new, out = rows_of(1), tmp_path / f"p.{kind}"
    new.write_parquet(tmp_path / "new.parquet")
    words = [str(trained), str(tmp_path / "new.parquet"), f"out={out}", "keep=[user_id, price]"]
    done = ctrbench("predict", *words)
    assert done.returncode == 0 and done.stdout == "" and f"{ROWS} rows" in done.stderr
    found = pl.read_parquet(out) if kind == "parquet" else pl.read_csv(out)
    assert found.columns == ["user_id", "price", "probability"]
    for name in ("user_id", "price"):
        assert found[name].equals(new[name]), name
    np.testing.assert_allclose(found["probability"], Run(trained).predictions(new), rtol=1e-5)
    assert list(tmp_path.glob("p.*")) == [out]


def test_a_late_mistake_leaves_the_earlier_file(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = rows_of(1).drop("tags").with_columns(pl.col("price").cast(pl.String))
    new[ROWS - 1, "price"] = "abc"
    new.write_csv(tmp_path / "new.csv")
    out = tmp_path / "p.csv"
    out.write_text("earlier")
    monkeypatch.setattr(parquet, "SLICE_ROWS", 128)
    new.with_columns(tags=pl.lit("t1")).write_parquet(tmp_path / "new.parquet")
    for file in ("new.csv", "new.parquet"):
        done = ctrbench("predict", str(trained), str(tmp_path / file), f"out={out}")
        assert done.returncode == 1 and done.stdout == "" and file in done.stderr
        assert out.read_text() == "earlier" and list(tmp_path.glob("p.*")) == [out]


MISTAKES = {
    "out=p.txt": "out=p.txt: not a file",
    "out=no/p.csv": "no such folder no",
    "keep=[user_id]": "needs out=FILE",
    "out=p.csv keep=[user]": "keep=user: ",
    "out=p.csv keep=[tags]": "keep=tags: has lists",
    "out=p.csv keep=[probability]": "keep=probability: is the column",
    "to=p.csv": "to: no such option",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_one_line_for_a_mistake(
    words: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_of(1).write_parquet(tmp_path / "new.parquet")
    monkeypatch.chdir(tmp_path)
    done = ctrbench("predict", str(trained), "new.parquet", *words.split())
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1
    assert MISTAKES[words] in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["new.parquet"]


def test_columns_of_criteo(settings: Compose, criteo_file: Path, tmp_path: Path) -> None:
    own = settings("model=lr", "data=criteo", f"data.path={criteo_file}", "data.min_count=1")
    run(own)
    words = [str(run_directory(own).path), str(criteo_file), f"out={tmp_path}/p.csv"]
    assert ctrbench("predict", *words, "keep=[C3,I2]").returncode == 0
    lines = [line.split("\t") for line in criteo_file.read_text().splitlines()]
    found = pl.read_csv(tmp_path / "p.csv", infer_schema=False)
    assert found["C3"].fill_null("").to_list() == [cells[16] for cells in lines]
    assert found["I2"].fill_null("").to_list() == [cells[2] for cells in lines]
    assert "keep=C99" in ctrbench("predict", *words, "keep=[C99]").stderr
