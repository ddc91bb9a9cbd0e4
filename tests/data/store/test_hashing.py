"""Hashed values: their buckets by hashlib alone, in training, predictions and another process."""

from hashlib import blake2b
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, process, run, run_directory, store_of, write_criteo_file

from ctrbench.data.store.encode import Encoder, restore
from ctrbench.data.store.hashing import Hashed
from ctrbench.runs.plan import RunPlan
from ctrbench.settings import identity_settings

TABLE = ["data=table", "data.label=clicked", "data.min_count=2", "data.hash_buckets=50"]
ROWS = 400


def expected(value: str | None, buckets: int) -> int:
    if value is None:
        return 0
    digest = blake2b(value.encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "little") % buckets


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sites that mostly occur once, a code, tags, days, and a number."""
    frame = pl.DataFrame(
        {
            "clicked": [i % 3 % 2 for i in range(ROWS)],
            "site": [None if i % 9 == 0 else f"Straße {i * i % 307}" for i in range(ROWS)],
            "code": [i % 40 for i in range(ROWS)],
            "tags": [[f"t{i % 11}", f"t{i % 7}"][: i % 3] for i in range(ROWS)],
            "day": [f"2026-03-{1 + i % 28:02}" for i in range(ROWS)],
            "price": [i % 13 / 4 for i in range(ROWS)],
        }
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_buckets_are_fixed() -> None:
    """As they were when they were introduced: runs and rows elsewhere depend on them."""
    hashed = Hashed("site", "hash", 100_000)
    values = pl.Series(["a8ba1c3f", "Straße 4", "", "1", None])
    assert hashed.ids(values).tolist() == [expected(v, 100_000) for v in values]
    assert hashed.ids(values)[0] == 46_340
    assert hashed.ids(pl.Series([1, None])).tolist() == [expected("1", 100_000), 0]


@pytest.mark.parametrize("words", [["data.encoding=hash"], ["data.encodings=[site:hash]"]])
def test_ids_of_a_table(words: list[str], table: Path, settings: Compose) -> None:
    types = "data.types=[site:category,code:category]"
    store = store_of(settings(*TABLE, types, f"data.path={table}", "split=order", *words))
    fields = {field.name: field for field in store.schema.fields}
    train = store.part("train").ids_NS
    frame = pl.read_parquet(table)[: len(train)]
    assert train[:, 0].tolist() == [expected(site, 50) for site in frame["site"]]
    assert fields["site"].encoding == "hash" and fields["site"].size == 51
    assert fields["day.weekday"].encoding == "vocabulary"
    if words == ["data.encoding=hash"]:
        assert train[:, 1].tolist() == [expected(str(code), 50) for code in frame["code"]]
        slots = [i for i, j in enumerate(store.schema.field_of_slot) if j == 2]
        for ids, tags in zip(train[:, slots].tolist(), frame["tags"].to_list(), strict=True):
            own = [expected(tag, 50) for tag in tags] or [0]
            assert ids == own + [fields["tags"].padding] * (len(slots) - len(own))
    else:
        assert fields["code"].encoding == "vocabulary" and fields["tags"].size < 51


def test_restored_from_its_files(table: Path, settings: Compose) -> None:
    store = store_of(settings(*TABLE, f"data.path={table}", "data.encoding=hash"))
    frame = pl.read_parquet(table)
    for encoder in store.encoder().encoders:
        again: Encoder = restore(encoder.field, encoder.state())
        if encoder.field.name in ("site", "tags"):
            column = frame[encoder.field.name]
            assert (again.ids(column) == encoder.ids(column)).all()


def test_predicted_in_another_process(settings: Compose, tmp_path: Path) -> None:
    """With target statistics of a hashed field too; a value that training never saw is no error."""
    rows = write_criteo_file(tmp_path)
    words = ["data=criteo", f"data.path={rows}", "data.encoding=hash", "data.hash_buckets=200"]
    own = settings(*words, "data.encodings=[C2:target,C2:hash,C3:vocabulary]", "split=order")
    run(own)
    lines = rows.read_text().splitlines(keepends=True)[540:]
    test = tmp_path / "test.txt"
    cells = lines[0].split("\t")
    test.write_text("".join(lines) + "\t".join([*cells[:-2], "deadbeef", cells[-1]]))
    done = process("predict", str(run_directory(own).path), str(test))
    assert done.returncode == 0, done.stderr
    logits = np.load(run_directory(own).logits)
    probabilities = np.loadtxt(done.stdout.splitlines())
    assert len(probabilities) == len(logits) + 1
    assert np.allclose(probabilities[:-1], 1 / (1 + np.exp(-logits)), atol=1e-6)


@pytest.mark.parametrize("words", ["s*:hash,s*:target", "site:hash,s*:target"])
def test_target_statistics_beside_by_patterns(words: str, table: Path, settings: Compose) -> None:
    own = settings(*TABLE, f"data.path={table}", f"data.encodings=[{words}]")
    encodings = RunPlan(own).dataset.encodings
    assert encodings["site"] == "hash" and encodings["site.rate"] == "value"


def test_without_the_option_nothing_changes(settings: Compose) -> None:
    assert not {"encoding", "hash_buckets"} & {*identity_settings(settings().data)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.hash_buckets=7"], "data.hash_buckets=7: no field is hashed"),
        (["data.encodings=[price:hash]"], "data.encodings=price:hash"),
        (["data.encodings=[site:hash,site:vocabulary]"], "site stands in it twice"),
        (["data.encoding=hashed"], "data.encoding=hashed: not known; did you mean hash?"),
        (["data.encoding=hash", "data.hash_buckets=0"], "data.hash_buckets=0: must be at least 1"),
    ],
)
def test_refused(words: list[str], message: str, table: Path) -> None:
    done = ctrbench("prepare", "data=table", "data.label=clicked", f"data.path={table}", *words)
    assert done.returncode == 1 and message in done.stderr.splitlines()[-1], done.stderr
