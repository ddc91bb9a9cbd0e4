"""Groups of rows: codes of raw values, of every source, whatever becomes of the column."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, run, run_directory, store_of, write_criteo_file

from ctrbench.config.settings import RunSettings
from ctrbench.data.sources import planted
from ctrbench.data.sources.registry import open_source
from ctrbench.data.store import stages
from ctrbench.errors import UserError
from ctrbench.runs.plan import RunPlan
from ctrbench.settings import identity_settings

rng = np.random.default_rng(0)
ROWS = 400
BIG = 2**53  # from here on float64 knows only every other whole number
USERS = [f"u{i}" if i else "" for i in rng.integers(0, 150, ROWS)]  # rare, and some without
FIELDS: dict[str, Iterable[object]] = {
    "click": rng.integers(2, size=ROWS),
    "user": USERS,
    "session": [BIG + i // 2 for i in range(ROWS)],
    "row": [f"r{i}" for i in range(ROWS)],
    "site": rng.choice(list("abc"), ROWS),
    "price": rng.normal(size=ROWS).round(3),
    "seen": [f"2024-05-{1 + i % 20:02} 0{i % 3}:10:00" for i in range(ROWS)],
    "tags": ["x|y", "y"] * (ROWS // 2),
}
WORDS = ["data=table", "data.label=click", "data.types=[tags:multi]", "split=order"]


@pytest.fixture
def table(tmp_path: Path) -> list[str]:
    path = tmp_path / "rows.csv"
    pl.DataFrame({name: list(values) for name, values in FIELDS.items()}).write_csv(path)
    return [*WORDS, f"data.path={path}"]


def by_first_row(values: list[object]) -> list[int]:
    """Of each value the place of the first that equals it, counted over distinct ones."""
    known: dict[object, int] = {}
    return [-1 if v in (None, "") else known.setdefault(v, len(known)) for v in values]


def check_codes(own: RunSettings, values: list[object]) -> None:
    """The last tenth is tested, the tenth before it watched; training rows have none."""
    store, edges = store_of(own), np.round(np.array([0.8, 0.9]) * len(values)).astype(int)
    expected = np.array(by_first_row(values[edges[0] :]))
    found = [store.part(name).groups_N for name in ("valid", "test")]
    assert found[0] is not None and found[1] is not None and found[1].dtype == np.int32
    coded = np.concatenate([found[0], found[1]])
    # codes of values that stand in both parts are the same, in whatever order they were counted
    pairs = set(zip(coded.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len(set(coded)) == len(set(expected)) and len(pairs) > 1
    assert ((coded == -1) == (expected == -1)).all()
    assert store.part("train").groups_N is None
    store.verify()


def test_rare_values_stay_apart(table: list[str], settings: Compose) -> None:
    """As a field they share the one id of what is rare; an empty cell is no user."""
    own = settings(*table, "data.group=user", "data.min_count=300")
    check_codes(own, list(USERS))


TABLE = {
    "alone": ["data.group=user", "data.exclude=[user]"],
    "skipped": ["data.group=user", "data.types=[tags:multi,user:skip]"],
    "whole numbers that are amounts": ["data.group=session", "data.types=[tags:skip]"],
    "left out, as all values differ": ["data.group=row"],
    "made of a date": ["data.group=seen.hour"],
    "a date": ["data.group=seen"],
    "quantiles": ["data.group=price"],
}


@pytest.mark.parametrize("name", TABLE)
def test_columns_of_tables(
    name: str, table: list[str], settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FIT_CELLS", 1)
    words = TABLE[name]
    group = words[0].partition("=")[2]
    column, _, part = group.partition(".")
    values = [str(v)[11:13] if part else v for v in FIELDS[column]]
    check_codes(settings(*table, *words), values)


def test_three_files(settings: Compose, tmp_path: Path) -> None:
    frame = pl.DataFrame({name: list(values) for name, values in FIELDS.items()})
    words = WORDS[:3]
    for part, rows in (("train", (0, 320)), ("valid", (320, 40)), ("test", (360, 40))):
        frame.slice(*rows).write_parquet(tmp_path / f"{part}.parquet")
        words.append(f"data.{part}={tmp_path}/{part}.parquet")
    check_codes(settings(*words, "data.group=user"), list(USERS))


def movielens(folder: Path) -> list[str]:
    users, items = range(1, 31), range(1, 21)
    files = {
        "users.dat": [f"{u}::MF::{u % 7}::{u % 5}::{u:05}" for u in users],
        "movies.dat": [f"{i}::Film ({1950 + i})::Drama|War" for i in items],
        "ratings.dat": [f"{u}::{i}::{1 + (u * i) % 5}::0" for i in items for u in users],
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines))
    return ["data=movielens", f"data.path={folder}", "data.group=user", "data.exclude=[user]"]


def libffm(folder: Path) -> list[str]:
    lines = [f"{i % 2} 0:{i % 17}:1 1:{i % 5}:1" for i in range(300)]
    (folder / "rows.txt").write_text("\n".join(lines))
    return ["data=libsvm", f"data.path={folder}/rows.txt", "data.group=0"]


def criteo(folder: Path) -> list[str]:
    return ["data=criteo", f"data.path={write_criteo_file(folder)}", "data.group=C3"]


SOURCES = {
    "movielens": movielens,
    "libsvm": libffm,
    "criteo": criteo,
    "planted": lambda folder: ["data=planted", "data.rows=3000", "data.group=C20"],
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source(
    name: str, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planted, "CHUNK_ROWS", 1000)
    own = settings(*SOURCES[name](tmp_path), "split=order", "data.min_count=20")
    frame = pl.concat([piece.read() for piece in open_source(own.data).slices()])
    check_codes(own, frame[str(own.data.group)].to_list())


REFUSED = {
    "usr": "data.group=usr: no column of one value a row; did you mean user",
    "tags": "data.group=tags: no column of one value a row",
    "click": "data.group=click: no column of one value a row",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_group(name: str, table: list[str], settings: Compose) -> None:
    with pytest.raises(UserError, match=REFUSED[name]):
        RunPlan(settings(*table, f"data.group={name}"))


def test_the_key_is_that_of_the_rows(table: list[str], settings: Compose) -> None:
    """A group changes it, another one again; without any it is as if there were no such option."""
    keys = [
        RunPlan(settings(*table, *words)).content
        for words in ([], ["data.group=null"], ["data.group=user"], ["data.group=site"])
    ]
    assert keys[0] == keys[1] and len(set(keys)) == 3
    assert "group" not in identity_settings(settings(*table).data)
    assert store_of(settings(*table)).part("test").groups_N is None


def test_predictions_need_no_group(table: list[str], settings: Compose, tmp_path: Path) -> None:
    """The result says the groups; rows to predict lack the column."""
    own = settings(*table, "model=lr", "data.group=user", "data.exclude=[user]")
    said = run(own)["metrics"]["test"]
    assert said["gauc_groups"] + said["gauc_groups_left_out"] == len(set(USERS[360:]) - {""})
    frame = pl.DataFrame({name: list(values) for name, values in FIELDS.items() if name != "user"})
    frame.tail(40).write_csv(tmp_path / "new.csv")
    done = ctrbench("predict", str(run_directory(own).path), str(tmp_path / "new.csv"))
    expected = 1 / (1 + np.exp(-np.load(run_directory(own).logits).astype(float)))
    np.testing.assert_allclose([float(p) for p in done.stdout.split()], expected, atol=1e-6)
