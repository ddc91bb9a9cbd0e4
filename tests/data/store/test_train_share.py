"""``split.train_share``: a nested part of the training rows, in place of all."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, store_of

from ctrbench.data import split
from ctrbench.data.store.manifest import FORMAT
from ctrbench.data.store.opened import Store
from ctrbench.data.store.prepare import content_key
from ctrbench.runs.plan import RunPlan
from ctrbench.settings import digest, identity_settings

ROWS = 1_500
HISTORY = "data.history={user:user,time:time,of:[city],length:3,labels:true}"
Numbers = np.ndarray[Any, np.dtype[Any]]


def write_rows(folder: Path) -> pl.DataFrame:
    """Rows that carry their number, which no encoding hides."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "clicked": rng.integers(0, 2, ROWS),
            "number": np.arange(ROWS) + 0.5,
            "city": [f"c{i}" for i in rng.zipf(1.5, ROWS) % 200],
            "price": rng.lognormal(size=ROWS).round(3),
            "user": [f"u{i}" for i in rng.integers(0, 40, ROWS)],
            "time": rng.permutation(ROWS),
        }
    )
    frame.write_csv(folder / "rows.csv")
    return frame


def of_file(path: Path) -> list[str]:
    return ["data=table", f"data.path={path}", *SHARED]


SHARED = [
    "data.label=clicked",
    "data.types=[number:number,price:number,time:number,user:category]",
    "data.encodings=[number:unscaled,price:quantile]",
    "data.bins=8",
    HISTORY,
]


def numbers(store: Store, part: str) -> Numbers:
    """The numbers of a part's rows."""
    fields = [field.name for field in store.schema.fields if field.encoding == "value"]
    return store.part(part).values_NX[:, fields.index("number")] - 0.5


def as_files(frame: pl.DataFrame, store: Store, folder: Path) -> list[str]:
    """The rows of a store's parts as three files, in their order."""
    folder.mkdir()
    for part in ("train", "valid", "test"):
        frame[numbers(store, part).astype(int).tolist()].write_csv(folder / f"{part}.csv")
    return ["data=table", *(f"data.{p}={folder}/{p}.csv" for p in ("train", "valid", "test"))]


@pytest.mark.parametrize("kind", ["random", "order", "time", "files"])
def test_a_share_is_as_a_file_of_its_rows(
    kind: str, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "CHUNK", 400)
    frame = write_rows(tmp_path)
    words = of_file(tmp_path / "rows.csv")
    if kind == "files":
        whole = store_of(settings(*words))
        words = [*as_files(frame, whole, tmp_path / "files"), *SHARED]
    else:
        words.append(f"split={kind}")
    stores = {
        share: store_of(settings(*words, f"split.train_share={share}"))
        for share in ("1", "0.5", "1/8")
    }
    rows = {share: numbers(store, "train") for share, store in stores.items()}
    dataset = RunPlan(settings(*words, "split.train_share=1/8")).dataset
    if kind != "files":  # where they are numbered anew
        for name in ("train", "valid", "test"):
            row_numbers = dataset.row_numbers(stores["1/8"], name)
            assert np.array_equal(row_numbers, numbers(stores["1/8"], name))
    assert set(rows["1/8"]) < set(rows["0.5"]) < set(rows["1"])
    for share, part in (("0.5", 1 / 2), ("1/8", 1 / 8)):
        assert len(rows[share]) / len(rows["1"]) == pytest.approx(part, abs=0.05)
        for name in ("valid", "test"):
            assert np.array_equal(numbers(stores[share], name), numbers(stores["1"], name))
    # everything else is as if the other training rows did not exist
    alone = store_of(settings(*as_files(frame, stores["1/8"], tmp_path / "alone"), *SHARED))
    assert alone.schema == stores["1/8"].schema
    for name in ("train", "valid", "test"):
        part, expected = stores["1/8"].part(name), alone.part(name)
        assert all(map(np.array_equal, part.ids, expected.ids))
        assert np.array_equal(part.values_NX, expected.values_NX)
        assert np.array_equal(part.labels_N, expected.labels_N)


def test_the_whole_changes_no_key(settings: Compose, criteo_file: Path) -> None:
    plan = RunPlan(settings("data=criteo", f"data.path={criteo_file}", "split.train_share=1"))
    before = {"kind": "random", "fractions": [0.8, 0.1, 0.1], "seed": 0}
    source = plan.source
    how = identity_settings(source.resolved())
    assert plan.content == digest([FORMAT, source.fingerprint(), how, before])
    keys = {
        content_key(source, settings(f"split.train_share={share}").split)
        for share in ("1", "1.0", "0.25", "1/4", "1/64")
    }
    assert len(keys) == 3
    assert plan.content in keys


@pytest.mark.parametrize("share", ["0", "-1/4", "1.5", "null", "half", "1/0", "true", "[0.5]"])
def test_no_share(share: str) -> None:
    done = ctrbench("train", "model=lr", "data=planted", f"split.train_share={share}", "--cfg=job")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "split.train_share" in done.stderr


def test_too_small_a_share(criteo_file: Path, tmp_path: Path) -> None:
    rows = ["data=criteo", f"data.path={criteo_file}", f"results={tmp_path}"]
    done = ctrbench("prepare", *rows, "split.train_share=1/100000")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "split.train_share" in done.stderr
    assert not list(tmp_path.glob("stores/*/*/store.json"))
