"""``data.positive``: labels of a column of ratings."""

import operator
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, store_of

from ctrbench.data.sources.labels import parse_ratings

rng = np.random.default_rng(0)
RATINGS = rng.integers(1, 11, 400) / 2
FRAME = pl.DataFrame({"stars": RATINGS, "city": rng.choice(list("abcde"), 400)})
COMPARISONS: dict[str, Callable[[object, object], object]] = {
    ">=4": operator.ge,
    ">4": operator.gt,
    "==4": operator.eq,
    "<=4": operator.le,
    " < 4.0 ": operator.lt,
}


def words(path: Path, positive: str) -> list[str]:
    return ["data=table", f"data.path={path}", "data.label=stars", f"data.positive='{positive}'"]


@pytest.mark.parametrize("positive", COMPARISONS)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_clicks_are_the_ratings_asked_for(
    positive: str, kind: str, settings: Compose, tmp_path: Path
) -> None:
    path = tmp_path / f"rows.{kind}"
    FRAME.write_csv(path) if kind == "csv" else FRAME.write_parquet(path)
    store = store_of(settings("model=lr", *words(path, positive), "split=order"))
    labels = np.concatenate([store.part(n).labels_N for n in ("train", "valid", "test")])
    np.testing.assert_array_equal(labels, COMPARISONS[positive](RATINGS, 4.0))


def test_what_is_no_number_is_no_rating() -> None:
    text = pl.Series(["4", " 5 ", "4e0", "x", None, "nan", "inf", "-1"])
    assert parse_ratings(text, ">=4").to_list() == [1, 1, 1, None, None, None, None, 0]


@pytest.mark.parametrize("cell", ["", "good", "nan"])
def test_a_row_without_a_rating_is_named(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = ["stars,city", *(f"{i % 5},c{i % 7}" for i in range(40)), f"{cell},a", ""]
    path.write_text("\n".join(lines))
    done = ctrbench("data", *words(path, ">3"), f"results={tmp_path}/results")
    assert done.returncode == 1 and done.stderr.strip().count("\n") == 0
    assert "line 42" in done.stderr and "stars" in done.stderr


@pytest.mark.parametrize("positive", ["4", "=>4", ">=four", "!=3", ">=1e5x"])
def test_what_is_no_comparison_is_refused(positive: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    FRAME.write_csv(path)
    done = ctrbench("data", *words(path, positive), f"results={tmp_path}/results")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "data.positive" in done.stderr


def test_data_and_report_say_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    FRAME.write_csv(path)
    own = [*words(path, ">=4"), f"results={tmp_path}/results"]
    assert "stars >=4" in ctrbench("data", *own).stdout
    run = ctrbench("train", "model=lr", *own, "trainer.epochs=1", "device=cpu", "tuned=none")
    assert run.returncode == 0, run.stderr
    report = ctrbench("report", f"results={tmp_path}/results")
    assert report.returncode == 0, report.stderr
    (page,) = tmp_path.rglob("report/runs/index.html")
    assert "stars &gt;=4" in page.read_text()
