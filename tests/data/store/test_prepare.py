"""A preparation that is killed, and the disk it needs."""

import dataclasses
import shutil
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import Compose, criteo_line, store_of

from ctrbench.data.schema import Slice
from ctrbench.data.sources import planted
from ctrbench.data.sources.planted import Planted
from ctrbench.data.store import arrays, fitting, stages
from ctrbench.data.store import prepare as preparing
from ctrbench.data.store.manifest import file_digests
from ctrbench.errors import UserError
from ctrbench.runs.settings import RunSettings

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


@pytest.mark.parametrize("rows", [2, 8])
def test_a_part_without_rows_or_with_one_class(
    rows: int, settings: Compose, criteo_file: Path, tmp_path: Path
) -> None:
    criteo_file.write_text("".join(criteo_line(i % 2, i) + "\n" for i in range(rows)))
    what = {2: "no rows", 8: "1 rows of only one class"}[rows]
    with pytest.raises(UserError, match=f"the valid rows of data=criteo: {what}; give more"):
        prepared(settings("data=criteo", f"data.path={criteo_file}", "split=order"))
    assert not list(tmp_path.rglob("*.partial"))


def test_rows_without_labels(settings: Compose, criteo_file: Path, tmp_path: Path) -> None:
    lines = criteo_file.read_text().splitlines()
    criteo_file.write_text("".join(line.partition("\t")[2] + "\n" for line in lines))
    with pytest.raises(UserError, match="rows without labels; training takes labelled rows"):
        prepared(settings("data=criteo", f"data.path={criteo_file}"))
    assert not list(tmp_path.rglob("*.partial"))


def test_a_disk_too_small(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    takes = r"takes about 1\.\d MB of disk for about 6,000 rows, and 0\.\d MB are free"
    with pytest.raises(UserError, match=takes):
        prepared(settings(*WORDS))
    assert not list(tmp_path.rglob("*.partial"))


def test_slices_are_let_go(settings: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the rows: what a slice holds is freed once it is written."""
    held: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    class Block:
        """Stands for the bytes of a slice."""

    def read(block: Block, piece: Slice) -> Any:
        nonlocal most
        most = max(most, len(held))
        return piece.read()

    slices = Planted.slices

    def watched(self: Planted) -> Iterator[Slice]:
        for piece in slices(self):
            block = Block()
            held.add(block)
            yield dataclasses.replace(piece, read=partial(read, block, piece))

    monkeypatch.setattr(planted, "CHUNK_ROWS", 200)
    monkeypatch.setattr(Planted, "slices", watched)
    prepared(settings(*WORDS))
    assert 1 <= most <= stages.WORKERS + 3
