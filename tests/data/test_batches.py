"""The order of rows, and that it does not matter where they are held."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import Compose, run, run_directory, small, store_of

from ctrbench.data import batches
from ctrbench.data.batches import Batch, Batches, choose, order
from ctrbench.data.store.opened import Part

CPU = torch.device("cpu")
PLACES = ["device", "host", "disk"]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 32 rows in windows of 4 blocks of 8 rows."""
    monkeypatch.setattr(batches, "WHOLE_ROWS", 32)
    monkeypatch.setattr(batches, "BLOCK_ROWS", 8)
    monkeypatch.setattr(batches, "WINDOW_BLOCKS", 4)


def part(rows: int, folder: Path) -> Part:
    """Rows that carry their own number in every column, memory-mapped."""
    numbers = np.arange(rows)
    np.save(folder / "ids.npy", np.stack([numbers, -numbers], axis=1).astype(np.int32))
    return Part(
        np.load(folder / "ids.npy", mmap_mode="c"),
        (numbers[:, None] * 2).astype(np.int32),
        (numbers % 2).astype(np.uint8),
        numbers[:, None].astype(np.float32) / 2,
        None,
    )


@pytest.mark.parametrize("rows", [1, 8, 31, 32, 33, 100, 1000])
def test_an_epoch_has_every_row_once(rows: int) -> None:
    windows = list(order(rows, 3, 5))
    assert torch.equal(torch.cat(windows).sort().values, torch.arange(rows))
    again = list(order(rows, 3, 5))
    assert all(torch.equal(a, b) for a, b in zip(windows, again, strict=True))
    if rows > 30:
        assert not torch.equal(torch.cat(windows), torch.cat(list(order(rows, 3, 6))))
        assert not torch.equal(torch.cat(windows), torch.cat(list(order(rows, 4, 5))))
    sizes = {len((window // 8).unique()) for window in windows}
    assert rows <= 32 or (max(sizes) <= 4 and max(sizes) - min(sizes) <= 1)


def test_a_small_set_is_shuffled_as_a_whole() -> None:
    (window,) = order(32, 0, 0)
    assert torch.equal(window, torch.randperm(32, generator=torch.Generator().manual_seed(0)))


def test_batches_of_a_sorted_file_are_like_random_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean position of a batch deviates as that of a batch of random rows, or hardly more; and
    no window is so short that an epoch ends on a run of consecutive rows."""
    monkeypatch.undo()
    monkeypatch.setattr(batches, "WHOLE_ROWS", 2**20)
    rows, size = 3_000_000, 4_096
    windows = list(order(rows, 0, 0))
    means = torch.cat(windows)[: rows // size * size].view(-1, size).double().mean(dim=1) / rows
    random = (1 / 12 / size) ** 0.5
    assert len(windows) > 1 and means.std() < 1.25 * random
    assert (means - 0.5).abs().max() < 6 * random


@pytest.mark.parametrize("batch_size", [7, 32, 64, 500])
@pytest.mark.parametrize("rows", [20, 100, 333])
@pytest.mark.parametrize("first_step", [0, 2])
def test_the_batches_are_the_same_from_everywhere(
    rows: int, batch_size: int, first_step: int, tmp_path: Path
) -> None:
    made = part(rows, tmp_path)
    epochs = {p: list(Batches(made, batch_size, CPU, p).epoch(1, 2, first_step)) for p in PLACES}
    whole = list(Batches(made, batch_size, CPU, "device").epoch(1, 2))
    assert len(whole) == -(-rows // batch_size)
    shown = torch.cat([ids[:, 0] for ids, _, _ in whole])
    assert len(shown.unique()) == rows and len(shown) - rows < len(whole)
    for own in epochs.values():
        assert len(own) == max(0, len(whole) - first_step)
        for ours, expected in zip(own, whole[first_step:], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))
    for ids, values, labels in whole:
        assert len(ids) == len(whole[0][0]) <= batch_size
        number = ids[:, 0]
        assert torch.equal(ids, torch.stack([number, -number, number * 2], dim=1))
        assert torch.equal(values[:, 0], number / 2) and torch.equal(labels, number % 2.0)


@pytest.mark.parametrize("place", PLACES)
def test_rows_in_the_stores_order(place: str, tmp_path: Path) -> None:
    pieces = list(Batches(part(50, tmp_path), 7, CPU, place).pieces(16))
    ids, values = (torch.cat(column) for column in zip(*pieces, strict=True))
    assert torch.equal(ids[:, 0], torch.arange(50)) and torch.equal(values[:, 0] * 2, ids[:, 0])


def test_the_bytes_are_those_of_what_is_made(tmp_path: Path) -> None:
    """A history of 16 bits is widened beside ids of 32."""
    past = np.zeros((50, 6), np.int16)
    for made in (part(50, tmp_path), replace(part(50, tmp_path), history_NP=past)):
        held = Batches(made, 7, CPU, "host")
        arrays = (*held.ids, held.values, held.labels_N.numpy())
        assert made.bytes == sum(array.nbytes for array in arrays)


@pytest.mark.parametrize("rows", [1, 16, 50])
def test_rows_are_copied_to_a_device_in_pieces(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is as large as the whole, which may not fit into the host's memory."""
    sizes: list[int] = []
    concatenate = np.concatenate

    def watched(arrays: list[Any], axis: int) -> Any:
        sizes.append(len(arrays[0]))
        return concatenate(arrays, axis=axis)

    past = np.arange(6 * rows, dtype=np.int16).reshape(rows, 6)
    arrays = replace(part(rows, tmp_path), history_NP=past).ids
    monkeypatch.setattr(batches, "PIECE_ROWS", 16)
    monkeypatch.setattr(batches.np, "concatenate", watched)
    made = batches._copied(arrays, CPU)
    assert sum(sizes) == rows and max(sizes) <= 16
    assert made.dtype == torch.int32
    assert (made.numpy() == np.hstack([array.astype(np.int32) for array in arrays])).all()


@pytest.mark.parametrize("place", PLACES)
def test_windows_of_many_cells_are_fetched_in_pieces(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a few rows each, in the same order."""
    made, fetched = part(100, tmp_path), list[int]()
    before = list(Batches(made, 7, CPU, place).epoch(1, 2, 3))
    monkeypatch.setattr(batches, "WINDOW_CELLS", 5 * 3)  # three slots
    fetch = Batches._fetch

    def watched(self: Batches, rows_W: torch.Tensor) -> Batch:
        fetched.append(len(rows_W))
        return fetch(self, rows_W)

    monkeypatch.setattr(Batches, "_fetch", watched)
    after = list(Batches(made, 7, CPU, place).epoch(1, 2, 3))
    assert len(after) == len(before) and max(fetched) == (7 if place == "device" else 5)
    for ours, expected in zip(after, before, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))


@pytest.mark.parametrize("name", ["fm", "wide_deep"])
def test_training_gives_the_same_weights(name: str, settings: Compose, tmp_path: Path) -> None:
    """And the same identity: where rows are held is not part of it."""
    words = [*small(name), "data.encodings=[I1:value]"]
    weights, names = set(), set()
    for place in PLACES:
        own = settings(*words, f"rows_in={place}", f"results={tmp_path / place}")
        run(own)
        weights.add(run_directory(own).weights.read_bytes())
        names.add(run_directory(own).path.name)
    assert len(weights) == len(names) == 1


def test_the_choice_is_made_by_size(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store_of(settings("model=lr")).part("train")
    assert made.bytes == made.ids_NS.nbytes + 4 * len(made.labels_N)
    for free, place in ((2 * made.bytes + 10, "device"), (2 * made.bytes, "disk")):
        monkeypatch.setattr(batches, "free_memory", lambda free=free: free)
        assert choose([made], CPU) == place
