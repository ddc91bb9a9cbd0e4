"""Warnings before training: fields that tell the label, rows in two files, ties in time."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, store_of

from ctrbench.data.store import repeats
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError

TABLE = ["data=table", "data.label=clicked", "data.min_count=1"]
PARTS = ("train", "valid", "test")


def draw(rows: int, seed: int, values: int = 400, columns: int = 6) -> list[str]:
    """Lines of a table without its header, whose rows are all different in all likelihood."""
    rng = np.random.default_rng([seed, 9])
    cells = rng.integers(values, size=(rows, columns))
    clicks = rng.integers(2, size=rows)
    return [
        ",".join([str(click), *map(str, row)]) for click, row in zip(clicks, cells, strict=True)
    ]


def write(folder: Path, parts: dict[str, list[str]]) -> list[str]:
    """Write the files; return the overrides that name them."""
    columns = parts["train"][0].count(",")
    header = ",".join(["clicked", *(f"c{i}" for i in range(columns))])
    for name, lines in parts.items():
        (folder / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n")
    types = "data.types=['*:category']"
    return [*TABLE, types, *(f"data.{name}={folder}/{name}.csv" for name in parts)]


def shuffled(lines: list[str]) -> list[str]:
    return random.Random(0).sample(lines, len(lines))


WRITTEN: dict[str, Callable[[list[str]], list[str]]] = {
    "reversed": lambda train: train[:300][::-1],
    "shuffled, with another row": lambda train: [*shuffled(train[:300]), *draw(1, 5)],
    "all of the training rows": shuffled,
}


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_rows_of_training_are_refused(
    part: str, kind: str, settings: Compose, tmp_path: Path
) -> None:
    train = draw(1000, 0)
    parts = {"train": train, "valid": draw(200, 1), "test": draw(200, 2)}
    parts[part] = WRITTEN[kind](train)
    with pytest.raises(UserError, match=rf"{part}\.csv .*{'train'}\.csv too; give each") as error:
        store_of(settings(*write(tmp_path, parts)))
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.glob("stores/*/*") if path.suffix != ".lock"]


def test_a_compressed_copy_with_other_line_breaks_is_refused(
    settings: Compose, tmp_path: Path
) -> None:
    train = draw(1000, 0)
    words = write(tmp_path, {"train": train, "valid": draw(200, 1), "test": train[:300]})
    text = (tmp_path / "test.csv").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(text))
    with pytest.raises(UserError, match=r"test\.csv\.gz are rows of .*train\.csv too"):
        store_of(settings(*words[:-1], f"data.test={tmp_path}/test.csv.gz"))


@pytest.mark.parametrize(("copies", "warned"), [(0, False), (80, False), (120, True), (180, True)])
def test_a_warning_from_half_of_the_rows(
    copies: int, warned: bool, settings: Compose, tmp_path: Path
) -> None:
    train = draw(1000, 0)
    test = shuffled([*train[:copies], *draw(200 - copies, 2)])
    store = store_of(
        settings(*write(tmp_path, {"train": train, "valid": draw(200, 1), "test": test}))
    )
    assert bool(store.manifest["warnings"]) is warned
    if warned:
        assert f"{copies / 200:.1%} of the rows of data.test=" in store.manifest["warnings"][0]


def test_test_rows_that_are_validation_rows(settings: Compose, tmp_path: Path) -> None:
    valid = draw(200, 1)
    parts = {"train": draw(1000, 0), "valid": valid, "test": [*valid[::-1], *draw(1, 3)]}
    with pytest.raises(UserError, match=r"test\.csv are rows of .*valid\.csv too"):
        store_of(settings(*write(tmp_path, parts)))


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_rows_that_repeat_by_nature_are_read(
    columns: int, seed: int, settings: Compose, tmp_path: Path
) -> None:
    """From one source: of ten values a column, up to all test rows are among 2,000 others."""
    rows = draw(2600, seed, values=10, columns=columns)
    parts = {"train": rows[:2000], "valid": rows[2000:2300], "test": rows[2300:]}
    assert store_of(settings("model=lr", *write(tmp_path, parts))).manifest["warnings"] == []


def test_copies_among_rows_that_repeat_by_nature(settings: Compose, tmp_path: Path) -> None:
    rows = draw(3000, 0, values=16, columns=3)  # about a fifth has an equal row
    parts = {"train": rows[:2000], "valid": rows[2000:2500], "test": shuffled(rows[:500])}
    with pytest.raises(UserError, match="rows of its own"):
        store_of(settings(*write(tmp_path, parts)))


def test_hashes_in_chunks(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = draw(1000, 0)
    parts = {"train": train, "valid": draw(200, 1), "test": [*train[:150], *draw(50, 2)]}
    store = store_of(settings(*write(tmp_path, parts)))
    own, other = store.part("test"), store.part("train")
    whole, _ = repeats.copied_share(own, other)
    monkeypatch.setattr(repeats, "CHUNK_ROWS", 64)
    assert repeats.copied_share(own, other)[0] == whole
    monkeypatch.setattr(repeats, "SAMPLE_ROWS", 100)
    monkeypatch.setattr(repeats, "BLOCK_ROWS", 8)
    assert repeats.copied_share(own, other)[0] == pytest.approx(whole, abs=0.15)


def with_leak(folder: Path) -> Path:
    rng = np.random.default_rng(3)
    clicks = rng.integers(2, size=1500)
    frame = pl.DataFrame(
        {
            "clicked": clicks,
            "answer": np.where(rng.random(1500) < 0.99, clicks, 1 - clicks),
            "noise": rng.integers(5, size=1500),
        }
    )
    frame.write_csv(folder / "rows.csv")
    return folder / "rows.csv"


def test_train_warns_of_a_field_that_knows_the_label(tmp_path: Path) -> None:
    """Each time, also of rows that are prepared already; as the look at the data does."""
    words = [*TABLE, f"data.path={with_leak(tmp_path)}", f"results={tmp_path}", "trainer.epochs=1"]
    for seed in (0, 1):
        done = ctrbench("train", "model=lr", *words, f"seed={seed}")
        lines = [line for line in done.stderr.splitlines() if "does it know the label" in line]
        assert done.returncode == 0 and len(lines) == 1 and "field answer alone" in lines[0]
    assert "field answer alone" in ctrbench("data", *words).stdout


@pytest.mark.parametrize("kind", ["number", "day"])
def test_ties_in_time_leave_a_part_empty(kind: str, settings: Compose, tmp_path: Path) -> None:
    names = {"number": ["1", "2", "3"], "day": ["2024-03-01", "2024-03-02", "2024-03-05"]}[kind]
    times = np.repeat(names, [300, 20, 80])
    frame = pl.DataFrame({"clicked": [0, 1] * 200, "t": times, "x": [i % 7 for i in range(400)]})
    frame.write_csv(tmp_path / "rows.csv")
    words = ["model=lr", *TABLE, f"data.path={tmp_path}/rows.csv", "data.time=t", "split=time"]
    with pytest.raises(UserError) as error:
        store_of(settings(*words))
    text = str(error.value)
    assert "\n" not in text and "t has 3 times" in text and "no rows are left for valid" in text
    assert f"{names[0]} (300 rows), {names[1]} (20 rows), {names[2]} (80 rows)" in text


def test_ties_that_change_the_parts_are_said(settings: Compose, tmp_path: Path) -> None:
    times = np.repeat(range(8), [100, 50, 50, 50, 50, 50, 25, 25])
    frame = pl.DataFrame({"clicked": [0, 1] * 200, "t": times, "x": [i % 7 for i in range(400)]})
    frame.write_csv(tmp_path / "rows.csv")
    words = ["model=lr", *TABLE, f"data.path={tmp_path}/rows.csv", "data.time=t", "split=time"]
    store: Store = store_of(settings(*words, "split.fractions=[.7,.1,.2]"))
    (warning,) = [text for text in store.manifest["warnings"] if "split=time" in text]
    assert "t has 8 times" in warning and "train 62%" in warning
