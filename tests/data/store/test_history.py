"""Histories against plain loops over all rows: nothing of a row itself, of a later one, or of a
part that a row may not see."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support import HISTORY, Compose, ctrbench, run, store_of

from ctrbench.data.batches import Batches
from ctrbench.data.schema import LABEL, TIME, USER, Field
from ctrbench.data.sources import parquet
from ctrbench.data.split import PARTS, tagged_stream
from ctrbench.data.store import history
from ctrbench.data.store.history import Timed
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.runs.plan import RunPlan
from ctrbench.settings import identity_settings

WORDS = "data.history={user: who, time: seen, of: [item, kind], length: 4, labels: true}"
TYPES = "data.types=[who:category,seen:number,item:category,kind:category]"


def naive(
    users: Sequence[Any],
    times: Sequence[float],
    parts: Sequence[int],
    labels: Sequence[int],
    columns: Sequence[Sequence[int]],
    paddings: Sequence[int],
    length: int,
) -> list[list[int]]:
    """The slots of every row: each column's, then the labels', the oldest first."""
    made = []
    for r, user in enumerate(users):
        past = [
            p
            for p in range(len(users))
            if user is not None
            and users[p] == user
            and (times[p], p) < (times[r], r)
            and parts[p] <= parts[r]
        ]
        past = sorted(past, key=lambda p: (times[p], p))[-length:]
        fill = length - len(past)
        row = []
        for column, padding in zip(columns, paddings, strict=False):
            row += [column[p] for p in past] + [padding] * fill
        given = [1 + labels[p] if parts[p] == 0 and times[p] < times[r] else 0 for p in past]
        made.append(row + given + [paddings[-1]] * fill)
    return made


@pytest.mark.parametrize("seed", range(40))
def test_random_tables(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few users and times, so that many rows are tied; nobody's rows; parts of any order."""
    monkeypatch.setattr(history, "BLOCK_CELLS", 20)
    rng = np.random.default_rng(seed)
    rows, length = int(rng.integers(1, 60)), int(rng.integers(1, 7))
    users = [None if u == 0 else f"u{u}" for u in rng.integers(6, size=rows)]
    times = rng.integers(1 + seed % 30, size=rows) / 4
    parts = rng.integers(1 + seed % 3, size=rows).astype(np.uint8)
    labels, ids = rng.integers(2, size=rows), rng.integers(9, size=(rows, 2)).astype(np.int32)
    fields = [
        Field("history.a", "mean", 10, length, "a"),
        Field("history.b", "mean", 12, length, "b"),
        Field("history.label", "mean", 4, length, LABEL),
    ]
    whose = pl.Series(users, dtype=pl.String)
    frame = pl.DataFrame({USER: whose, TIME: times, LABEL: labels})
    made = np.full((rows, 3 * length), -1)
    for part, rows_B, ids_BS in Timed(frame, parts, ids, fields).histories():
        assert (parts[rows_B] == part).all() and (made[rows_B] == -1).all()
        made[rows_B] = ids_BS
    expected = naive(users, times, parts, labels, ids.T, [9, 11, 3], length)
    np.testing.assert_array_equal(made, expected)


def write_rows(path: Path, rows: int = 900, seed: int = 0) -> pl.DataFrame:
    """Rows of a few users in no order of time, many at the same time."""
    rng = np.random.default_rng(seed)
    who = rng.integers(40, size=rows)
    frame = pl.DataFrame(
        {
            "clicked": rng.integers(2, size=rows),
            "who": [None if u == 0 else f"u{u}" for u in who],
            "seen": rng.integers(150, size=rows),
            "item": [f"i{i}" for i in rng.integers(30, size=rows)],
            "kind": [f"k{i}" for i in rng.integers(3, size=rows)],
        }
    )
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path)
    return frame


def table(path: Path) -> list[str]:
    return ["data=table", f"data.path={path}", "data.label=clicked", TYPES, "data.min_count=2"]


def check_store(store: Store, frame: pl.DataFrame, parts: Sequence[int]) -> None:
    """Every slot of a store whose rows have these parts."""
    fields = store.schema.history
    assert [field.name for field in fields] == ["history.item", "history.kind", "history.label"]
    ids, places = np.empty((len(frame), store.schema.present.slots), np.int64), []
    for part, name in enumerate(PARTS):
        own = np.flatnonzero(np.array(parts) == part)
        ids[own] = store.part(name).ids_NS
        places.append(own)
    names = [field.name for field in store.schema.present.fields]
    columns = [ids[:, names.index(name)] for name in ("item", "kind")]
    expected = naive(
        frame["who"].to_list(),
        frame["seen"].to_list(),
        parts,
        frame["clicked"].to_list(),
        columns,
        [field.padding for field in fields],
        4,
    )
    for name, own in zip(PARTS, places, strict=True):
        made = store.part(name).history_NP
        assert made is not None and made.dtype == np.int16
        np.testing.assert_array_equal(made, np.array(expected)[own])
    assert fields[0].size == store.schema.fields[names.index("item")].size + 1


@pytest.mark.parametrize("split", ["random", "order", "time"])
def test_a_store(
    split: str, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several groups of users, over several slices."""
    monkeypatch.setattr(history, "GROUP_ROWS", 250)
    monkeypatch.setattr(parquet, "SLICE_ROWS", 80)
    monkeypatch.setattr(history, "ENCODE_ROWS", 100)
    frame = write_rows(tmp_path / "rows.parquet")
    own = settings(*table(tmp_path / "rows.parquet"), f"split={split}", WORDS)
    store = store_of(own)
    if split == "time":
        seen = frame["seen"].to_numpy()
        bounds = np.sort(seen)[[720, 810]]
        parts = (seen[:, None] >= bounds).sum(axis=1)
    elif split == "order":
        parts = np.repeat([0, 1, 2], [720, 90, 90])
    else:
        drawn = np.random.Generator(tagged_stream("random split", 0)).random(900)
        parts = (drawn[:, None] >= [0.8, 0.9]).sum(axis=1)
    check_store(store, frame, parts.tolist())
    if split == "time":
        latest = [seen[parts == part].max() for part in (0, 1)]
        assert latest[0] < seen[parts == 1].min() and latest[1] < seen[parts == 2].min()


def test_three_files(settings: Compose, tmp_path: Path) -> None:
    frames = []
    for seed, part in enumerate(PARTS):
        frames.append(write_rows(tmp_path / f"{part}.csv", 300, seed))
    files = [f"data.{part}={tmp_path}/{part}.csv" for part in PARTS]
    words = ["data=table", "data.label=clicked", TYPES, "data.min_count=2", *files]
    parts = np.repeat([0, 1, 2], 300).tolist()
    check_store(store_of(settings(*words, WORDS)), pl.concat(frames), parts)


def test_killed_it_goes_on_to_the_same_bytes(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amid its histories, of which some are written."""
    write_rows(tmp_path / "rows.csv")
    words = [*table(tmp_path / "rows.csv"), WORDS]
    whole = store_of(settings(*words, f"results={tmp_path}/whole"))
    histories = Timed.histories

    def killed(timed: Timed) -> Any:
        yield next(histories(timed))
        raise KeyboardInterrupt

    own = settings(*words, f"results={tmp_path}/killed")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Timed, "histories", killed)
        store_of(own)
    assert store_of(own).manifest["files"] == whole.manifest["files"]
    assert f"{PARTS[0]}.history.npy" in whole.manifest["files"]


def test_the_key(settings: Compose, tmp_path: Path) -> None:
    """Rows without a history keep theirs; every part of a history is in it."""
    unused = identity_settings(settings().data)
    assert not {"history", "time", "mood"} & set(unused)
    write_rows(tmp_path / "rows.csv", 300)
    base = table(tmp_path / "rows.csv")
    words = ["", WORDS, WORDS.replace("4", "5"), WORDS.replace("true", "false")]
    words += [WORDS.replace(", kind", ""), WORDS.replace("seen", "item")]
    keys = {RunPlan(settings(*base, *([word] if word else []))).content for word in words}
    assert len(keys) == len(words)


def test_batches_from_everywhere(settings: Compose) -> None:
    """The history stands behind the fields, wherever rows are held, and crosses behind it."""
    own = settings("model=wide_deep", "model.crosses=[[C1,C2]]", "data.rows=900", HISTORY)
    store = store_of(own)
    part = store.part("train")
    assert part.history_NP is not None
    whole = np.concatenate([part.ids_NS, part.history_NP, part.crosses_NC], axis=1)
    assert whole.shape[1] == store.schema.slots + 1 == 39 + 8 + 1
    epochs = []
    for place in ("device", "host", "disk"):
        batches = Batches(part, 64, torch.device("cpu"), place)
        ids = next(batches.pieces(50))[0]
        np.testing.assert_array_equal(ids, whole[:50])
        epochs.append([ids_BS for ids_BS, _, _ in batches.epoch(0, 0)])
        assert batches.slots == whole.shape[1] and epochs[-1][0].dtype == torch.int32
    assert all(torch.equal(a, b) for a, b, c in zip(*epochs, strict=True) for b in (b, c))


@pytest.mark.parametrize("name", ["lr", "deepfm", "wide_deep"])
def test_other_models_see_it_pooled(name: str, settings: Compose) -> None:
    """As fields of a row; an empty past is no NaN."""
    result = run(settings(f"model={name}", "data.rows=2000", HISTORY, "trainer.epochs=1"))
    assert result["dataset"]["fields"] == 41
    assert 0 < result["metrics"]["test"]["logloss"] < 2


def test_what_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path)
    done = ctrbench("data", *table(path), WORDS, f"results={tmp_path}")
    assert done.returncode == 0 and "history.label" in done.stdout + done.stderr


BAD = {
    "user": (
        "user: whom",
        "data.history.user=whom: data=table has no such column of one value a row; did you",
    ),
    "time": (
        "time: sean",
        "data.history.time=sean: data=table has no such column of one value a row; did you",
    ),
    "hour": ("user: seen.hour", "data.history.user=seen.hour: data=table has no such column"),
    "label": ("user: clicked", "data.history.user=clicked: data=table has no such column"),
    "of": ("of: [itm]", "data.history.of: no such field itm; did you mean item?"),
    "twice": ("of: [item,item]", "data.history.of: item stands in it twice"),
    "length": ("length: 0", "data.history.length=0: must be at least 1"),
    "long": ("length: 5000", "data.history.length=5000: must be at most 1000"),
    "text": ("time: item", "rows.csv, line 2, column item: 'i"),
    "value": ("of: [seen]", "data.history.of: seen is encoded as value; a history takes fields"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name: str, settings: Compose, tmp_path: Path) -> None:
    word, said = BAD[name]
    write_rows(tmp_path / "rows.csv")
    given = {"user": "who", "time": "seen", "of": "[item]", "length": "4"}
    key, _, value = word.partition(": ")
    parts = ", ".join(f"{k}: {v}" for k, v in (given | {key: value}).items())
    with pytest.raises(UserError) as caught:
        own = settings(
            *table(tmp_path / "rows.csv"), "data.numeric=value", f"data.history={{{parts}}}"
        )
        RunPlan(own).prepare()
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not list((tmp_path / "stores").glob("*/*.partial"))


def test_a_field_named_as_the_labels_are(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path)
    path.write_text(path.read_text().replace("kind", "label", 1))
    words = [word.replace("kind", "label") for word in (*table(path), WORDS)]
    with pytest.raises(UserError, match=r"a field named label, and labels=true, would both be"):
        RunPlan(settings(*words))
    RunPlan(settings(*words, "data.history.labels=false"))


def test_a_gap_in_time(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_rows(path, 300)
    lines = path.read_text().splitlines()
    cells = lines[7].split(",")
    lines[7] = ",".join([*cells[:2], "", *cells[3:]])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"line 8, column seen: empty is not a time; give numbers"):
        store_of(settings(*table(path), WORDS))


def test_dates_are_times(settings: Compose, tmp_path: Path) -> None:
    """In order of time, not of text."""
    path = tmp_path / "rows.csv"
    frame = write_rows(path)
    days = pl.lit("1.2.2020").str.to_date("%d.%m.%Y") + pl.duration(days=pl.col("seen"))
    frame.with_columns(days.dt.strftime("%d.%m.%Y").alias("seen")).write_csv(path)
    words = [word for word in table(path) if word != TYPES]
    types = TYPES.replace("seen:number", "seen:date:%d.%m.%Y")
    words.append(f"data.types=['{types[12:-1].replace(',', chr(39) + ',' + chr(39))}']")
    store = store_of(settings(*words, "split=order", WORDS))
    check_store(store, frame, np.repeat([0, 1, 2], [720, 90, 90]).tolist())


def test_rows_without_users(settings: Compose, criteo_file: Path) -> None:
    words = ["data=criteo", f"data.path={criteo_file}", "data.history={user:C1,time:I1,of:[C2]}"]
    with pytest.raises(
        UserError, match="time=I1: data=criteo has no such column of one value a row; data"
    ):
        RunPlan(settings(*words))
    with pytest.raises(UserError, match=r"split=time: needs data.time=COLUMN"):
        RunPlan(settings("split=time"))
    with pytest.raises(UserError, match=r"data.time=time: data.history.time=hour is another"):
        settings("data.time=time", "data.history={user:user,time:hour,of:[C1]}")
    assert dataclasses.is_dataclass(settings("split=time", "data.time=time"))
