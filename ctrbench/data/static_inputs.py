"""Static inputs of a captured step: every batch is brought to the same memory."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from typing import Protocol

import torch
from torch import Tensor

from ctrbench.data.batches import AHEAD, Batch, Batches
from ctrbench.files import in_order


class StaticInputs(Protocol):
    """Batches at fixed addresses, for a captured step."""

    def begin(self, seed: int, epoch: int, first_step: int) -> None:
        """Start at a step of an epoch."""

    def prepare(self, step: int) -> None:
        """Start the copy of what a step reads, without waiting. Steps come in order."""

    def batch(self, step_1: Tensor) -> Batch:
        """Return the batch of the step whose number lies on the device."""


def static_inputs(batches: Batches) -> StaticInputs:
    """Return the static inputs for where the rows lie."""
    return DeviceRows(batches) if batches.rows_in == "device" else HostRows(batches)


class DeviceRows:
    """Select batches from rows on the device by their numbers.

    A thread draws the row order ahead, also of the next epoch. It is copied to the device window by
    window, 2 MB for half a million rows.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        shape = batches.steps, batches.batch_size
        self.order_TB = torch.zeros(shape, dtype=torch.int32, device=batches.device)
        self.filled = 0
        self.following: tuple[int, int] | None = None

    def begin(self, seed: int, epoch: int, first_step: int) -> None:
        """Start at a step of an epoch; the order of the next epoch is drawn ahead."""
        if self.following != (seed, epoch) or self.filled < self.order_TB.numel():
            self.windows = in_order(self._draws(seed, epoch), 1, ahead=AHEAD)
        self.following, self.filled = (seed, epoch + 1), 0

    def _draws(self, seed: int, first: int) -> Iterator[Callable[[], Tensor]]:
        windows = (w for epoch in count(first) for w in self.batches.row_numbers(seed, epoch))
        return repeat(partial(_draw, windows, self.batches.device))

    def prepare(self, step: int) -> None:
        """Copy the windows of the row order that the step needs."""
        order_N = self.order_TB.view(-1)
        while self.filled < (step + 1) * self.batches.batch_size:
            rows_W = next(self.windows)
            order_N[self.filled :][: len(rows_W)].copy_(rows_W, non_blocking=True)
            self.filled += len(rows_W)

    def batch(self, step_1: Tensor) -> Batch:
        """Return the rows at the step's place in the order."""
        return self.batches.gathered(self.order_TB.index_select(0, step_1).squeeze(0))


def _draw(windows: Iterator[Tensor], device: torch.device) -> Tensor:
    rows_W = next(windows).to(torch.int32)
    if device.type != "cuda":
        return rows_W
    with torch.cuda.device(device):
        return rows_W.pin_memory()


class HostRows:
    """Copy each batch from its prefetched window to where the step reads it, for rows in the host's
    memory or on disk."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.buffers: Batch | None = None

    def begin(self, seed: int, epoch: int, first_step: int) -> None:
        """Start at a step of an epoch."""
        self.epoch = self.batches.epoch(seed, epoch, first_step)

    def prepare(self, step: int) -> None:
        """Copy the next batch into the buffers."""
        batch = next(self.epoch)
        if self.buffers is None:
            self.buffers = tuple(column.clone() for column in batch)
        for buffer, column in zip(self.buffers, batch, strict=True):
            buffer.copy_(column)

    def batch(self, step_1: Tensor) -> Batch:
        """Return the batch that was copied last."""
        assert self.buffers is not None
        return self.buffers
