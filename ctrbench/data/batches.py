"""Batches of one split of a store, from the device's memory, the host's, or the disk.

The order of an epoch's rows depends on the seed and the epoch alone, not on where the rows are. Up
to WHOLE_ROWS are shuffled as a whole. Of more, short blocks of consecutive rows are shuffled, and
then the rows of every window of so many blocks, so that rows on a disk are read in runs. A window
has several blocks for every row of a batch: a batch of a sorted file is spread over it almost as a
random one is.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ctrbench.data.prefetch import Transfer, TransferStream
from ctrbench.data.store.opened import Part
from ctrbench.files import in_order
from ctrbench.machine import available_memory, free_memory

MASK = 2**63 - 1
WHOLE_ROWS = 2**22
BLOCK_ROWS = 32
WINDOW_BLOCKS = 16_384
AT_ONCE = 2**17  # bytes: Linux reads no more ahead on one request
AHEAD = 2  # windows that are fetched before they are asked for
WINDOW_CELLS = 2**26  # ids of a window that is fetched at once
PIECE_ROWS = 2**20  # rows that are copied to a device at once
MEMORY_SHARE = 0.5  # of what is free, that the rows may take
# ids BS (history and crosses last), values BX, labels B, and weights B of weighted rows
Batch = tuple[Tensor, ...]


def order(rows: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the row numbers of an epoch by windows; a resumed run draws the same ones."""
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + epoch) & MASK)
    if rows <= WHOLE_ROWS:
        shuffled = torch.randperm(rows, generator=generator)
        yield from shuffled.split(BLOCK_ROWS * WINDOW_BLOCKS)  # type: ignore[no-untyped-call]
        return
    blocks = torch.randperm(-(-rows // BLOCK_ROWS), generator=generator)
    for window in blocks.tensor_split(-(-len(blocks) // WINDOW_BLOCKS)):
        within = (window[:, None] * BLOCK_ROWS + torch.arange(BLOCK_ROWS)).flatten()
        within = within[within < rows]
        yield within[torch.randperm(len(within), generator=generator)]


def choose(parts: list[Part], device: torch.device, asked: str = "auto") -> str:
    """Return ``device``, ``host`` or ``disk``: the requested place, or the first one whose free
    memory would hold the rows twice."""
    if asked != "auto":
        return asked
    size = sum(part.bytes for part in parts)
    if device.type == "cuda" and size < MEMORY_SHARE * available_memory(device):
        return "device"
    if size < MEMORY_SHARE * free_memory():
        return "host" if device.type == "cuda" else "device"
    return "disk"


def _read_ahead(array: npt.NDArray[Any]) -> None:
    """Ask the system to read a mapped file from front to back; otherwise it would read it page by
    page in random order. What is in its memory already costs nothing."""
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    if isinstance(array, np.memmap) and array.filename is not None:
        with open(array.filename, "rb") as file:
            for start in range(0, os.fstat(file.fileno()).st_size, AT_ONCE):
                os.posix_fadvise(file.fileno(), start, AT_ONCE, os.POSIX_FADV_WILLNEED)


def _copied(arrays: list[npt.NDArray[Any]], device: torch.device) -> Tensor:
    """Return arrays joined by columns on a device, copied in pieces of rows."""
    rows, columns = len(arrays[0]), sum(array.shape[1] for array in arrays)
    kind = torch.from_numpy(np.empty(0, np.result_type(*arrays))).dtype
    whole = torch.empty((rows, columns), dtype=kind, device=device)
    for start in range(0, rows, PIECE_ROWS):
        piece = np.concatenate([array[start : start + PIECE_ROWS] for array in arrays], axis=1)
        whole[start : start + PIECE_ROWS] = torch.from_numpy(piece)
    return whole


def _mean_one(weights_N: npt.NDArray[np.float32] | None, device: torch.device) -> Tensor | None:
    """Return weights of rows divided by their mean, so that a learning rate means the same."""
    if weights_N is None:
        return None
    mean = np.mean(weights_N, dtype=np.float64)
    return torch.tensor(weights_N / mean, dtype=torch.float32, device=device)


class Batches:
    """Batches of equal shape, among which an epoch's rows are divided as evenly as possible.

    If the rows do not divide evenly, the last batch is filled with the first rows of the epoch
    (fewer than one per batch).

    Args:
        batch_size: the largest that is allowed.
        rows_in: ``device``: all rows lie there and a batch is one gather (on a CPU from the
            memory-mapped files themselves, which the system keeps in its memory); ``host``: windows
            of rows are gathered in the host's memory and copied while earlier ones are used;
            ``disk``: the same from the memory-mapped files.
    """

    def __init__(
        self, part: Part, batch_size: int, device: torch.device, rows_in: str = "device"
    ) -> None:
        self.device, self.rows_in, self.transfers = device, rows_in, TransferStream(device)
        self.labels_N = torch.tensor(part.labels_N, dtype=torch.float32, device=device)
        self.weights_N = _mean_one(part.weights_N, device)
        of_rows = (self.labels_N, self.weights_N)
        self.targets = tuple(column for column in of_rows if column is not None)
        self.groups_N = part.groups_N
        self.rows = len(self.labels_N)
        self.steps = -(-self.rows // batch_size)  # in an epoch
        self.batch_size = -(-self.rows // self.steps)
        self.ids = part.ids
        self.values = part.values_NX
        self.gathers_here = rows_in == "device" and device.type == "cpu"
        if self.gathers_here:
            for array in (*self.ids, self.values):
                _read_ahead(array)
        elif rows_in == "host":
            self.ids = [np.concatenate(self.ids, axis=1)]
            self.values = np.array(self.values)
        elif rows_in == "device":
            self.ids_NS = _copied(self.ids, device)
            self.values_NX = _copied([self.values], device)
            self.ids, self.values = [], np.empty((0, 0), np.float32)  # the host's are let go

    @property
    def slots(self) -> int:
        """Columns of ids, those of crosses included."""
        if self.rows_in == "device" and not self.gathers_here:
            return self.ids_NS.shape[1]
        return sum(array.shape[1] for array in self.ids)

    def epoch(self, seed: int, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Return the batches of an epoch from a step on, on the device."""
        if self.gathers_here:
            return map(self._fetch, self._rows(seed, epoch, first_step * self.batch_size))
        batches = self._gathered if self.rows_in == "device" else self._fetched
        return batches(seed, epoch, first_step)

    def _rows(self, seed: int, epoch: int, skip: int) -> Iterator[Tensor]:
        """Yield the row numbers of each batch, without the first ``skip`` rows."""
        held = torch.empty(0, dtype=torch.int64)
        for window in self.row_numbers(seed, epoch):
            rows = torch.cat([held, window[skip:]])
            skip -= min(skip, len(window))
            whole = len(rows) // self.batch_size * self.batch_size
            for start in range(0, whole, self.batch_size):
                yield rows[start : start + self.batch_size]
            held = rows[whole:]

    def _gathered(self, seed: int, epoch: int, first_step: int) -> Iterator[Batch]:
        order_N = torch.cat(list(order(self.rows, seed, epoch)))
        missing = self.steps * self.batch_size - self.rows
        order_N = torch.cat([order_N, order_N[:missing]]).to(self.device)
        for start in range(first_step * self.batch_size, len(order_N), self.batch_size):
            yield self.gathered(order_N[start : start + self.batch_size])

    def gathered(self, rows_B: Tensor) -> Batch:
        """Return rows by their numbers; both lie on the device."""
        if self.gathers_here:
            return self._fetch(rows_B)
        ids_BS = self.ids_NS.index_select(0, rows_B)
        values_BX = self.values_NX.index_select(0, rows_B)
        return ids_BS, values_BX, *(column.index_select(0, rows_B) for column in self.targets)

    def _fetched(self, seed: int, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield batches cut from prefetched windows."""
        held: Batch | None = None
        for window in self._windows(seed, epoch, first_step * self.batch_size):
            joined = zip(held, window, strict=True) if held else ((column,) for column in window)
            columns = [torch.cat(pieces) for pieces in joined]
            whole = len(columns[0]) // self.batch_size * self.batch_size
            for start in range(0, whole, self.batch_size):
                rows = slice(start, start + self.batch_size)
                yield tuple(column[rows] for column in columns)
            held = tuple(column[whole:] for column in columns)

    def _windows(self, seed: int, epoch: int, skip: int) -> Iterator[Batch]:
        """Yield windows of an epoch without the first ``skip`` rows, fetched ahead by a thread."""
        self.transfers.begin()
        most = max(1, WINDOW_CELLS // self.slots)

        def tasks() -> Iterator[Callable[[], Transfer]]:
            left = skip
            for rows_W in self.row_numbers(seed, epoch):
                kept_W = rows_W[left:]
                left -= len(rows_W) - len(kept_W)
                for piece_W in kept_W.split(most):  # type: ignore[no-untyped-call]
                    yield partial(self.transfers.send, partial(self._fetch, piece_W))

        for sent in in_order(tasks(), 1, ahead=AHEAD):
            yield self.transfers.receive(sent)

    def row_numbers(self, seed: int, epoch: int) -> Iterator[Tensor]:
        """Yield the windows of an epoch's order, then the rows that fill the last batch."""
        missing = self.steps * self.batch_size - self.rows
        first: list[Tensor] = []
        for rows_W in order(self.rows, seed, epoch):
            first.append(rows_W[: max(0, missing - sum(map(len, first)))])
            yield rows_W
        yield torch.cat(first)

    def _fetch(self, rows_W: Tensor) -> Batch:
        """Return rows on the device; from a disk they are read in ascending order, in runs."""
        if self.rows_in == "disk":
            ascending_W, place_W = rows_W.sort()
            back_W = torch.empty_like(place_W).index_copy_(0, place_W, torch.arange(len(rows_W)))
            found = [rows.index_select(0, back_W) for rows in self._read(ascending_W)]
        else:
            found = self._read(rows_W)
        ids, values = (self._to_device(tensor) for tensor in found)
        rows = self._to_device(rows_W)
        return ids, values, *(column.index_select(0, rows) for column in self.targets)

    def _read(self, rows_W: Tensor) -> list[Tensor]:
        """Return ids and values of rows in the host's memory."""
        columns = [torch.from_numpy(array).index_select(0, rows_W) for array in self.ids]
        ids_WS = columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)
        return [ids_WS, torch.from_numpy(self.values).index_select(0, rows_W)]

    def _to_device(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def pieces(self, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ids and values on the device, ``rows`` rows at a time, in the store's order."""
        for start in range(0, self.rows, rows):
            piece = slice(start, start + rows)
            if self.rows_in == "device" and not self.gathers_here:
                yield self.ids_NS[piece], self.values_NX[piece]
            else:
                ids = np.concatenate([array[piece] for array in self.ids], axis=1)
                values = torch.from_numpy(np.array(self.values[piece]))
                yield self._to_device(torch.from_numpy(ids)), self._to_device(values)
