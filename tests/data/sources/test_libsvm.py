"""Rows of libfm and libffm: what their fields are found to be, and what is refused."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Compose, run, store_of

from ctrbench.data.schema import LABEL, clicks
from ctrbench.data.settings import LibsvmSettings
from ctrbench.data.sources import libsvm, libsvm_fields, text
from ctrbench.data.sources.libsvm import Libsvm
from ctrbench.data.sources.registry import open_source
from ctrbench.errors import UserError

rng = np.random.default_rng(0)
USERS, ITEMS = rng.integers(0, 30, 300), rng.integers(30, 50, 300)
AMOUNTS, CLICKS = rng.normal(size=300).round(3), rng.integers(2, size=300)
TAGS = [sorted(rng.choice(range(60, 66), rng.integers(1, 4), replace=False)) for _ in range(300)]
LIBFM = [
    f"{y} {u}:1 {i}:1.0 50:{a}" for y, u, i, a in zip(CLICKS, USERS, ITEMS, AMOUNTS, strict=True)
]
LIBFFM = [
    f"{y} 0:{u}:1 1:{i}:1 2:50:{a} " + " ".join(f"3:{t}:{1 / len(ts):.4g}" for t in ts)
    for y, u, i, a, ts in zip(CLICKS, USERS, ITEMS, AMOUNTS, TAGS, strict=True)
]
BAGS = [
    f"{2 * y - 1} " + " ".join(f"{t}:1" for t in ts) for y, ts in zip(CLICKS, TAGS, strict=True)
]


def source(settings: Compose, path: Path, *words: str) -> Libsvm:
    opened = open_source(settings("data=libsvm", f"data.path={path}", *words).data)
    assert isinstance(opened, Libsvm)
    return opened


def read(settings: Compose, folder: Path, lines: list[str], *words: str) -> pl.DataFrame:
    path = folder / "rows.txt"
    path.write_text("\n".join(lines))
    return pl.concat([piece.read() for piece in source(settings, path, *words).slices()])


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has files read in blocks of so many bytes."""

    def use(size: int) -> None:
        for module in (libsvm, libsvm_fields):
            monkeypatch.setattr(module, "blocks", partial(text.blocks, block_bytes=size))

    return use


def test_fields_by_position(settings: Compose, tmp_path: Path) -> None:
    rows = read(settings, tmp_path, LIBFM)
    assert rows.columns == [LABEL, "0", "1", "2"]
    assert rows[LABEL].to_list() == CLICKS.tolist()
    assert rows["0"].to_list() == [str(u) for u in USERS]
    assert rows["2"].to_list() == AMOUNTS.tolist()


def test_fields_of_the_file(settings: Compose, tmp_path: Path) -> None:
    rows = read(settings, tmp_path, LIBFFM)
    assert rows["1"].to_list() == [str(i) for i in ITEMS]
    assert rows["3"].to_list() == [[str(t) for t in ts] for ts in TAGS]


def test_tabs_part_entries_too(settings: Compose, tmp_path: Path) -> None:
    tabs = read(settings, tmp_path, [line.replace(" ", "\t") for line in LIBFFM])
    assert tabs.equals(read(settings, tmp_path, LIBFFM))


def test_rows_of_different_lengths_are_one_field(settings: Compose, tmp_path: Path) -> None:
    rows = read(settings, tmp_path, BAGS)
    assert rows.columns == [LABEL, "features"]
    assert clicks(rows).tolist() == CLICKS.tolist()
    assert rows["features"].to_list() == [[str(t) for t in ts] for ts in TAGS]


def test_a_field_that_some_rows_lack(settings: Compose, tmp_path: Path) -> None:
    lines = [*LIBFFM[:9], "1 0:3:1"]
    rows = read(settings, tmp_path, lines)
    assert rows["0"][9] == "3" and rows["1"][9] is None and rows["3"][9] is None


def test_resolved_fields_read_the_same(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("\n".join(LIBFFM))
    first = source(settings, path)
    again = Libsvm(first.resolved())
    assert again.columns == first.columns and again.fingerprint() == first.fingerprint()
    path.write_text("\n".join(line.partition(" ")[2] for line in LIBFFM))
    unlabelled = next(again.slices_of(path)).read()
    assert LABEL not in unlabelled.columns and unlabelled["0"].to_list() == [str(u) for u in USERS]


def test_it_trains(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("\n".join(LIBFFM))
    own = settings("data=libsvm", f"data.path={path}", "model=ffm", "model.embedding_dim=2")
    kinds = [f.encoding for f in store_of(own).schema.fields]
    assert kinds == ["vocabulary", "vocabulary", "value", "mean"]
    assert run(own)["status"] == "ok"


BAD = {
    "negative index": ("1 -3:1", "line 3: '-3:1' is not INDEX:VALUE"),
    "no number": ("1 3:x", "line 3: '3:x' is not INDEX:VALUE"),
    "no index": ("1 a:1", "line 3: 'a:1' is not INDEX:VALUE"),
    "not finite": ("1 1:7:1e400", "line 3: '1:7:1e400' is not"),
    "four parts": ("1 1:2:3:4", "line 3: '1:2:3:4' is not INDEX:VALUE"),
    "label": ("5 3:1", "line 3: '5' is not a label"),
    "empty": ("", "line 3: empty"),
    "new field": ("1 9:3:1", "line 3: field 9 is not in the first rows"),
    "not one kind": ("1 0:3:0.5", "line 3: field 0 is not a category here"),
    "a row of the other form": ("1 3:1 7:1", "line 3: '3:1' names no field, unlike"),
    "a row of both forms": ("1 0:3:1 7:1", "line 3: '7:1' names no field, unlike"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows(name: str, settings: Compose, tmp_path: Path) -> None:
    line, message = BAD[name]
    fields = "data.fields=['0:category','1:category']"
    with pytest.raises(UserError) as error:
        read(settings, tmp_path, ["1 0:3:1 1:7:1", "0 0:4:1 1:7:1", line, "0 0:3:1"], fields)
    assert message in str(error.value) and "\n" not in str(error.value)


THREE = ["1 3:1 20:1 31:1", "0 4:1 21:1 30:1"]
LENGTHS = {
    "one is missing": ("0 20:1 31:1", "line 3: entries: 2, expected: 3, one for each field"),
    "one too many": ("0 3:1 20:1 31:1 40:1", "line 3: entries: 4, expected: 3"),
    "a label alone": ("0", "line 3: entries: 0, expected: 3"),
    "a field named": ("0 0:3:1 1:20:1 2:31:1", "line 3: '0:3:1' names a field, unlike"),
    "one field named": ("0 3:1 1:20:1 31:1", "line 3: '1:20:1' names a field, unlike"),
}


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("name", LENGTHS)
def test_fields_by_position_need_an_entry_each(
    name: str, block_bytes: int, settings: Compose, tmp_path: Path, small_blocks: Any
) -> None:
    """In the first block, and in one behind it, which nothing is inferred from."""
    small_blocks(block_bytes)
    line, message = LENGTHS[name]
    fields = "data.fields=['0:category','1:category','2:category']"
    with pytest.raises(UserError, match=f"rows.txt, {message}"):
        read(settings, tmp_path, [*THREE, line], fields)
    if block_bytes == 1:
        with pytest.raises(UserError, match=f"rows.txt, {message}"):
            read(settings, tmp_path, [*THREE, line])


def test_a_row_that_lacks_a_field_is_refused_in_prediction(
    settings: Compose, tmp_path: Path
) -> None:
    path, other = tmp_path / "rows.txt", tmp_path / "other.txt"
    path.write_text("\n".join(THREE))
    resolved = Libsvm(source(settings, path).resolved())
    other.write_text("3:1 20:1 31:1\n20:1 31:1\n")
    with pytest.raises(UserError, match=r"other.txt, line 2: entries: 2, expected: 3"):
        next(resolved.slices_of(other)).read()


@pytest.mark.parametrize("words", [[], ["data.fields=['0:category','1:number']"]])
def test_an_amount_keeps_its_index(
    words: list[str], settings: Compose, tmp_path: Path, small_blocks: Any
) -> None:
    """From block to block, and in another file."""
    small_blocks(1)
    lines = ["1 3:1 50:.5", "0 4:1 50:.7"]
    path = tmp_path / "rows.txt"
    path.write_text("\n".join(lines))
    resolved = source(settings, path, *words).resolved()
    assert resolved.fields == ["0:category", "1:number:50"]
    with pytest.raises(UserError, match=r"line 3: field 1 is not a number of index 50 here"):
        read(settings, tmp_path, [*lines, "1 3:1 51:.5"], *words)
    path.write_text("1 3:1 51:.5\n0 3:1 51:.5\n")
    with pytest.raises(UserError, match=r"line 1: field 1 is not a number of index 50 here"):
        next(Libsvm(resolved).slices_of(path)).read()


def test_bad_declarations(settings: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.fields: 0 stands in it twice"):
        read(settings, tmp_path, LIBFM, "data.fields=['0:category','0:multi']")
    with pytest.raises(UserError, match=r"data.fields=0:catgory: .* did you mean category"):
        read(settings, tmp_path, LIBFM, "data.fields=['0:catgory']")


@pytest.mark.parametrize("item", ["0:category:3", "0:number:x"])
def test_only_a_number_has_one_index(item: str, settings: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"data.fields={item}: an index is a whole number"):
        read(settings, tmp_path, LIBFM, f"data.fields=['{item}']")


@pytest.fixture
def own(settings: Compose) -> Any:
    """The settings without a file."""
    return settings("data=libsvm").data


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.one_of(st.binary(max_size=80), st.text("01 :-.\n", max_size=80).map(str.encode)))
def test_any_bytes_are_read_or_refused(data: bytes, own: LibsvmSettings, tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(data)
    try:
        opened = open_source(replace(own, path=str(path)))
        for piece in opened.slices():
            piece.read()
    except UserError as error:
        assert "\n" not in str(error)


def test_a_number_never_seen_needs_no_training_file(settings: Compose, tmp_path: Path) -> None:
    """Of a run that is opened where its training rows are not."""
    path, other = tmp_path / "rows.svm", tmp_path / "other.svm"
    path.write_text("1 0:4:1\n0 0:3:1\n" * 9)
    other.write_text("1 0:4:1 1:7:0.5\n")
    resolved = source(settings, path, "data.fields=['0:category','1:number']").resolved()
    path.unlink()
    (piece,) = Libsvm(resolved).slices_of(other)
    assert piece.read()["1"].to_list() == [0.5]
