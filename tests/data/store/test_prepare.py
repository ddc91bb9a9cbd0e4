"""A preparation that is killed or fails."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import HISTORY, Compose, criteo_line, store_of

from ctrbench.config.settings import RunSettings
from ctrbench.data.sources import planted
from ctrbench.data.store import arrays, crosses, fitting, stages
from ctrbench.data.store import prepare as preparing
from ctrbench.data.store.manifest import file_digests
from ctrbench.errors import UserError

WORDS = ["data.rows=6000", "data.vocabulary=20", "data.encodings=[I1:value]", "data.group=C9"]


class KilledError(BaseException):
    """Stands for a kill: nothing that runs after a mistake runs after it."""


def prepared(own: RunSettings) -> Path:
    return store_of(own).folder


def after(calls: int, function: Any) -> Any:
    """The function, killed when it returns for the n-th time."""
    count = 0

    def counted(*words: Any, **named: Any) -> Any:
        nonlocal count
        result = function(*words, **named)
        count += 1
        if count == calls:
            raise KilledError
        return result

    return counted


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few rows, so that a small set has several."""
    monkeypatch.setattr(planted, "CHUNK_ROWS", 2_000)
    monkeypatch.setattr(stages, "FIT_CELLS", 50_000)
    monkeypatch.setattr(preparing, "ENCODE_ROWS", 2_500)


KILLS = {
    "in the second slice": (stages, "read", 2),
    "in the third pass": (fitting, "fit_pass", 3),
    "after the first rows encoded": (arrays.Writers, "write", 1),
    "before its end": (preparing, "file_digests", 1),
}


@pytest.mark.parametrize("moment", KILLS)
def test_killed_it_goes_on_to_the_same_bytes(
    moment: str, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepared(settings(*WORDS, f"results={tmp_path}/whole"))
    own = settings(*WORDS, f"results={tmp_path}/killed")
    place, name, calls = KILLS[moment]
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(place, name, after(calls, getattr(place, name)))
        prepared(own)
    (work,) = tmp_path.glob("killed/stores/planted/*.partial")
    before = set(work.glob("slice-*.parquet"))
    before |= {work / f"vocabulary/{path.stem[-5:]}.parquet" for path in work.glob("fitted-*")}
    read: list[Path] = []
    with monkeypatch.context() as patch:
        write = stages.write_parquet

        def noted(frame: Any, path: Path) -> None:
            read.append(path)
            write(frame, path)

        patch.setattr(fitting, "write_parquet", noted)
        patch.setattr(stages, "write_parquet", noted)
        killed = prepared(own)
    assert before and not before & set(read)
    assert file_digests(killed) == file_digests(whole)


def test_what_is_written_counts_as_free(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed preparation goes on on a disk that holds just what it takes."""
    own = settings(*WORDS)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(fitting, "fit_pass", after(1, fitting.fit_pass))
        prepared(own)
    (work,) = tmp_path.glob("stores/planted/*.partial")
    raw = sum(path.stat().st_size for path in work.glob("slice-*.parquet"))
    ids = 6000 * (4 * 39 + 1)
    usage = shutil.disk_usage(tmp_path)._replace(free=ids + raw // 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    prepared(own)


def test_files_shorter_than_noted_are_written_again(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power failure."""
    own = settings(*WORDS)
    whole = file_digests(prepared(settings(*WORDS, f"results={tmp_path}/whole")))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(preparing, "file_digests", after(1, preparing.file_digests))
        prepared(own)
    (ids,) = tmp_path.glob("stores/planted/*.partial/train.ids.npy")
    ids.write_bytes(ids.read_bytes()[:5000])
    (ids.parent / "x.json.7.tmp").write_text("half")
    assert file_digests(prepared(own)) == whole


def test_an_empty_slice_is_read_again(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power failure."""
    own = settings(*WORDS)
    whole = file_digests(prepared(settings(*WORDS, f"results={tmp_path}/whole")))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(stages, "read", after(2, stages.read))
        prepared(own)
    for path in tmp_path.glob("stores/planted/*.partial/slice-*.parquet"):
        path.write_bytes(b"")
    assert file_digests(prepared(own)) == whole


def test_slices_are_on_the_disk_before_they_have_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sync, flushed = tmp_path / "slice.parquet", os.fsync, list[bool]()

    def watched(file: int) -> None:
        flushed.append(not path.exists())
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    frame = pl.DataFrame({"x": [1, 2]})
    stages.write_parquet(frame, path)
    assert flushed == [True] and pl.read_parquet(path).equals(frame)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file, and nothing is left beside it."""

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError) as caught:
        stages.write_parquet(pl.DataFrame({"x": [1]}), tmp_path / "slice.parquet")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "slice.parquet")
    assert not list(tmp_path.iterdir())


def test_what_is_prepared_outlasts_a_failed_write(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A full disk costs no slice that was read; the same command goes on from them."""
    whole = file_digests(prepared(settings(*WORDS, f"results={tmp_path}/whole")))
    own = settings(*WORDS)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError), caplog.at_level("INFO"):
        patch.setattr(arrays.Writers, "write", full)
        prepared(own)
    assert "the same command goes on from there" in caplog.text
    with monkeypatch.context() as patch, pytest.raises(UserError, match="are free; free the space"):
        usage = shutil.disk_usage(tmp_path)._replace(free=-(10**9))
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        prepared(own)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_parquet", None)
        assert file_digests(prepared(own)) == whole


def test_a_file_that_changes_while_it_is_read(
    settings: Compose, criteo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are not stored under the name of its old content."""
    fit = preparing.fit_columns

    def late(*words: Any) -> Any:
        with criteo_file.open("a") as file:
            file.write(criteo_line(1, 999) + "\n")
        return fit(*words)

    monkeypatch.setattr(preparing, "fit_columns", late)
    with pytest.raises(UserError, match="data=criteo: a file was changed while it was read; run"):
        prepared(settings("data=criteo", f"data.path={criteo_file}"))
    assert not [*tmp_path.rglob("*.partial"), *tmp_path.rglob("store.json")]


def test_a_store_is_opened_where_nothing_may_be_written(
    settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings(*WORDS, "model=wide_deep", "model.crosses=[[C1,C2]]")
    folder = prepared(own)

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(preparing, "locked", refuse)
    monkeypatch.setattr(crosses, "locked", refuse)
    assert prepared(own) == folder


def test_a_history_of_no_use_is_refused_before_rows_are_encoded(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "Writers", None)
    with pytest.raises(UserError, match=r"data.history.of: C1 is left out"):
        prepared(settings(*WORDS, "data.min_count=9999", HISTORY))
    assert not list(tmp_path.rglob("*.partial"))


def test_wide_rows_are_encoded_a_few_at_a_time(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same bytes, of a preparation that was killed between them, too."""
    whole = file_digests(prepared(settings(*WORDS, f"results={tmp_path}/whole")))
    own, rows = settings(*WORDS), list[int]()
    encoded = stages.encoded

    def watched(*words: Any) -> Any:
        columns = encoded(*words)
        rows.append(len(columns["ids"]))
        return columns

    monkeypatch.setattr(preparing, "ENCODE_CELLS", 39 * 700)
    monkeypatch.setattr(preparing, "encoded", watched)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(arrays.Writers, "write", after(2, arrays.Writers.write))
        prepared(own)
    rows.clear()
    assert file_digests(prepared(own)) == whole
    assert max(rows) == 700 and sum(rows) == 6000 - 2 * 700


@pytest.mark.parametrize("rows", [2, 8])
def test_a_part_without_rows_or_with_one_class(
    rows: int, settings: Compose, criteo_file: Path, tmp_path: Path
) -> None:
    criteo_file.write_text("".join(criteo_line(i % 2, i) + "\n" for i in range(rows)))
    what = {2: "no rows", 8: "1 row of only one class"}[rows]
    with pytest.raises(UserError, match=f"the valid rows of data=criteo: {what}; give more"):
        prepared(settings("data=criteo", f"data.path={criteo_file}", "split=order"))
    assert not list(tmp_path.rglob("*.partial"))


def test_rows_without_labels(settings: Compose, criteo_file: Path, tmp_path: Path) -> None:
    lines = criteo_file.read_text().splitlines()
    criteo_file.write_text("".join(line.partition("\t")[2] + "\n" for line in lines))
    with pytest.raises(UserError, match="rows without labels; training takes labelled rows"):
        prepared(settings("data=criteo", f"data.path={criteo_file}"))
    assert not list(tmp_path.rglob("*.partial"))
