"""What a preparation takes of the disk and of memory: slots, rows, slices."""

import dataclasses
import shutil
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support import Compose, store_of

from ctrbench.data.schema import Slice
from ctrbench.data.sources import planted
from ctrbench.data.sources.planted import Planted
from ctrbench.data.store import stages
from ctrbench.errors import UserError

WORDS = ["data.rows=6000", "data.vocabulary=20"]


def lists(folder: Path, longest: int) -> list[str]:
    """The words of 100 rows of lists, the last 20 of them four values long."""
    path = folder / "rows.csv"
    tags = [f"t{i % 3}|t{i % 4}" if i < 80 else "t0|t1|t2|t3" for i in range(100)]
    tags[0] = "|".join("t0" for _ in range(longest))
    path.write_text("clicked,tags\n" + "".join(f"{i % 2},{t}\n" for i, t in enumerate(tags)))
    words = [f"data.path={path}", "data.label=clicked", "data.min_count=1", "split=order"]
    return ["model=lr", "data=table", *words, "data.types=[tags:multi]"]


def test_slots_are_those_of_training_rows(
    settings: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer lists of other rows are cut."""
    with caplog.at_level("INFO"):
        store = store_of(settings(*lists(tmp_path, 2)))
    assert [field.slots for field in store.schema.fields] == [2]
    ids_NS = store.part("test").ids_NS
    assert ids_NS.shape == (10, 2) and (ids_NS == ids_NS[0]).all()
    known = store.encoder().encoders[0].ids(pl.Series([["t0", "t1"]]))
    assert (ids_NS[0] == known[0]).all()
    assert "beyond the first 2 are left out, in 0 training and 20 other rows" in caplog.text


def test_a_disk_too_small(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    takes = r"takes about 0\.9 MB of disk for about 6,000 rows, and 0\.\d MB are free"
    with pytest.raises(UserError, match=takes):
        store_of(settings(*WORDS))
    assert not list(tmp_path.rglob("*.partial"))


def test_the_disk_must_hold_the_slots(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which are known once the columns are fitted: here 30 in each of 100 rows."""
    usage = shutil.disk_usage(tmp_path)
    own = settings(*lists(tmp_path, 30), "data.max_values=30")
    for free, fits in ((100 * 4 * 30, False), (100 * (4 * 30 + 1), True)):
        found = usage._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, found=found: found)
        if fits:
            store_of(own)
        else:
            with pytest.raises(UserError, match=r"takes about 0\.0 MB of disk for about 100 rows"):
                store_of(own)


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
    store_of(settings(*WORDS))
    assert 1 <= most <= stages.WORKERS + 3
