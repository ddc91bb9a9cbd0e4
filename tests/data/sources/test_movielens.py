"""MovieLens-1M in both layouts it is found in, on made rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import REAL, Compose, run, store_of

from ctrbench.data.schema import LABEL
from ctrbench.data.sources.registry import open_source
from ctrbench.errors import UserError
from ctrbench.runs.plan import RunPlan

USERS = [[u, "MF"[u % 2], 1 + u % 7, u % 5, f"{u % 9:05}"] for u in range(1, 31)]
ITEMS = [
    [i, f"Film, the {i}th ({1950 + i % 9})", "|".join(["Drama", "War", "Comedy"][: 1 + i % 3])]
    for i in range(1, 21)
]
RATINGS = [[u, i, 1 + (u * i + i) % 5, 0] for u in range(1, 31) for i in range(1, 21)]


def lines(rows: list[list[object]], separator: str) -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


@pytest.fixture(params=["grouplens", "tabs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The three files."""
    path = tmp_path / "movielens"
    path.mkdir()
    if request.param == "grouplens":
        (path / "users.dat").write_text(lines(USERS, "::"))
        (path / "movies.dat").write_bytes(
            lines(ITEMS, "::").replace("ilm", "ïlm").encode("latin-1")
        )
        (path / "ratings.dat").write_text(lines(RATINGS, "::"))
    else:
        (path / "ml1m_users.dat").write_text(lines(USERS, "\t"))
        (path / "ml1m_items.dat").write_text(lines(ITEMS, "\t"))
        (path / "ratings.csv").write_text("user,item,rating,fold\n" + lines(RATINGS, ","))
    return path


def test_rows(folder: Path, settings: Compose) -> None:
    """Ratings of 3 are dropped, higher ones are clicks; traits stand beside user and item."""
    source = open_source(settings("data=movielens", f"data.path={folder}").data)
    frame = pl.concat([piece.read() for piece in source.slices()])
    kept = [row for row in RATINGS if row[2] != 3]
    assert frame[LABEL].to_list() == [int(int(str(row[2])) > 3) for row in kept]
    assert frame["user"].to_list() == [row[0] for row in kept]
    users, items = {row[0]: row for row in USERS}, {row[0]: row for row in ITEMS}
    for own, row in zip(frame.iter_rows(named=True), kept, strict=True):
        user, item = users[row[0]], items[row[1]]
        assert [own[k] for k in ("gender", "age", "occupation", "zip")] == user[1:]
        assert own["year"] == 1950 + int(str(item[0])) % 9
        assert own["genres"] == str(item[2]).split("|")


def test_every_model_takes_genres(folder: Path, settings: Compose) -> None:
    own = settings("data=movielens", f"data.path={folder}", "data.encodings=[genres:sum]")
    store = store_of(own)
    genres = store.schema.fields[-1]
    assert (genres.name, genres.encoding, genres.slots) == ("genres", "sum", 3)
    assert np.unique(store.part("train").ids_NS[:, -3:]).tolist() == [1, 2, 3, genres.padding]


def timed_folder(folder: Path, ratings: list[list[object]]) -> Path:
    """The set as GroupLens gives it, with the second of every rating."""
    (folder / "users.dat").write_text(lines(USERS, "::"))
    (folder / "movies.dat").write_text(lines(ITEMS, "::"))
    (folder / "ratings.dat").write_text(lines(ratings, "::"))
    return folder


PAST = "data.history={user: user, time: time, of: [item, year], length: 5, labels: true}"


def test_a_split_by_time(settings: Compose, tmp_path: Path) -> None:
    """The last ratings of all users are for test, and their past is made of earlier ones."""
    rng = np.random.default_rng(0)
    ratings = [[*row[:3], 956_703_932 + int(rng.integers(10**6))] for row in RATINGS]
    path = timed_folder(tmp_path, ratings)
    own = settings("data=movielens", f"data.path={path}", "split=time", PAST, "data.min_count=1")
    store = store_of(own)
    kept = [row for row in ratings if row[2] != 3]
    test = sorted(kept, key=lambda row: int(str(row[3])))[-round(len(kept) / 10) :]
    part = store.part("test")
    assert len(part.labels_N) == len(test) and part.labels_N.sum() == sum(
        int(str(row[2])) > 3 for row in test
    )
    assert part.history_NP is not None
    train = store.part("train")
    assert train.history_NP is not None
    item = store.schema.history[0]
    for row, (user, own_item) in enumerate(train.ids_NS[:, :2]):
        others = train.ids_NS[train.ids_NS[:, 0] == user, 1]
        past = train.history_NP[row, :5]
        assert set(past[past != item.padding]) <= set(others) - {own_item}
    assert (train.history_NP[:, 0] == item.padding).sum() == len(np.unique(train.ids_NS[:, 0]))


@pytest.mark.parametrize("cell", ["x", ""])
def test_what_is_no_time(cell: str, settings: Compose, tmp_path: Path) -> None:
    ratings = [list(row) for row in RATINGS]
    ratings[4][3] = cell
    path = timed_folder(tmp_path, ratings)
    words = ["data=movielens", f"data.path={path}"]
    said = {"x": "line 5, column time: 'x' is not an integer", "": "row 5, column time: empty"}
    with pytest.raises(UserError, match=said[cell]):
        store_of(settings(*words, PAST))
    store_of(settings(*words))  # the time of no row is asked for


def test_no_times_but_grouplenss(folder: Path, settings: Compose) -> None:
    words = ["data=movielens", f"data.path={folder}", PAST]
    if (folder / "ratings.dat").exists():
        RunPlan(settings(*words))
    else:
        with pytest.raises(UserError, match=r"data.history.time=time: data=movielens has no such"):
            RunPlan(settings(*words))


BAD = {
    "rating": ("1::2::5::0", "1::2::9::0", r"row 1, column rating: 9; must be 1 to 5"),
    "user": ("1::2::5::0", "77::2::4::0", r"user 77 is rated but not described in"),
    "cells": ("1::2::5::0", "1::2::3", r"line 2: 3 columns, expected 4"),
    "number": ("1::2::5::0", "1::2::x::0", r"line 2, column rating: 'x' is not an integer"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows(name: str, settings: Compose, tmp_path: Path) -> None:
    (tmp_path / "users.dat").write_text(lines(USERS, "::"))
    (tmp_path / "movies.dat").write_text(lines(ITEMS, "::"))
    good, bad, message = BAD[name]
    text = lines(RATINGS, "::").replace(good + "\n", bad + "\n", 1)
    if name in ("rating", "user"):
        text = bad + "\n" + text
    (tmp_path / "ratings.dat").write_text(text)
    own = settings("data=movielens", f"data.path={tmp_path}")
    with pytest.raises(UserError, match=message):
        store_of(own)


def test_a_missing_file(folder: Path, settings: Compose) -> None:
    for path in folder.glob("*users*"):
        path.unlink()
    with pytest.raises(UserError, match=r"no users.dat or ml1m_users.dat there"):
        open_source(settings("data=movielens", f"data.path={folder}").data)


@pytest.mark.skipif(not (REAL / "movielens-1m").exists(), reason="the real rows are not here")
def test_real_rows(settings: Compose) -> None:
    path = REAL / "movielens-1m"
    words = ["data=movielens", f"data.path={path}", "model=lr", "trainer.epochs=2"]
    result = run(settings(*words, "optimizer.lr=.5", "trainer.batch_size=4096"))
    assert sum(result["dataset"]["rows"].values()) == 739_012
    assert result["metrics"]["test"]["auc"] > 0.85
