"""What a step that is recorded once reads: always the same memory, whatever the batch is."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from typing import Protocol

import torch
from torch import Tensor

from ctrbench.data.batches import AHEAD, Batch, Batches
from ctrbench.files import in_order


class Feed(Protocol):
    """The batches of one epoch after the other."""

    def begin(self, seed: int, epoch: int, first_step: int) -> None:
        """Go to a step of an epoch."""

    def bring(self, step: int) -> None:
        """Start bringing what the step reads; the host waits for no device. Steps come in order."""

    def batch(self, step_1: Tensor) -> Batch:
        """That of the step whose number lies on the device."""


def feed(batches: Batches) -> Feed:
    """By where the rows are held."""
    return Gathered(batches) if batches.rows_in == "device" else Copied(batches)


class Gathered:
    """Rows on the device. A thread draws the order of an epoch ahead, the next epoch's too, and it
    is copied there window by window: a step selects its rows by itself.

    A window of half a million row numbers takes 2 MB on its way, once in a hundred steps or more.
    """

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        shape = batches.steps, batches.batch_size
        self.order_TB = torch.zeros(shape, dtype=torch.int32, device=batches.device)
        self.filled = 0
        self.following: tuple[int, int] | None = None

    def begin(self, seed: int, epoch: int, first_step: int) -> None:
        """Go to a step of an epoch; the order of the one that follows is there already."""
        if self.following != (seed, epoch) or self.filled < self.order_TB.numel():
            self.windows = in_order(self._draws(seed, epoch), 1, ahead=AHEAD)
        self.following, self.filled = (seed, epoch + 1), 0

    def _draws(self, seed: int, first: int) -> Iterator[Callable[[], Tensor]]:
        windows = (w for epoch in count(first) for w in self.batches.row_numbers(seed, epoch))
        return repeat(partial(_draw, windows, self.batches.device))

    def bring(self, step: int) -> None:
        """Copy the windows that the step needs."""
        order_N = self.order_TB.view(-1)
        while self.filled < (step + 1) * self.batches.batch_size:
            rows_W = next(self.windows)
            order_N[self.filled :][: len(rows_W)].copy_(rows_W, non_blocking=True)
            self.filled += len(rows_W)

    def batch(self, step_1: Tensor) -> Batch:
        """The rows whose numbers stand in the order at the step."""
        return self.batches.gathered(self.order_TB.index_select(0, step_1).squeeze(0))


def _draw(windows: Iterator[Tensor], device: torch.device) -> Tensor:
    rows_W = next(windows).to(torch.int32)
    if device.type != "cuda":
        return rows_W
    with torch.cuda.device(device):
        return rows_W.pin_memory()


class Copied:
    """Rows in the host's memory or on its disk: each batch is copied, on the device, from its
    window to where the step reads it."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.held: Batch | None = None

    def begin(self, seed: int, epoch: int, first_step: int) -> None:
        """Go to a step of an epoch."""
        self.epoch = self.batches.epoch(seed, epoch, first_step)

    def bring(self, step: int) -> None:
        """Copy the next batch."""
        ids_BS, values_BX, labels_B = next(self.epoch)
        if self.held is None:
            self.held = ids_BS.clone(), values_BX.clone(), labels_B.clone()
        for held, new in zip(self.held, (ids_BS, values_BX, labels_B), strict=True):
            held.copy_(new)

    def batch(self, step_1: Tensor) -> Batch:
        """The one that was copied last."""
        assert self.held is not None
        return self.held
