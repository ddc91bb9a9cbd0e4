"""Transfers to a device by a thread that works ahead."""

from collections.abc import Callable

import torch
from torch import Tensor

Columns = tuple[Tensor, ...]
Transfer = tuple[Columns, torch.cuda.Event | None]


class TransferStream:
    """A separate stream for copies to a GPU, so that they overlap with computation. On a CPU the
    work is simply called.

    One stream serves all epochs, because the allocator reuses freed memory only on the stream it
    was freed on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """Let later transfers wait for the work that the device already has."""
        if self.device.type == "cuda":
            self.stream.wait_stream(torch.cuda.current_stream(self.device))

    def send(self, work: Callable[[], Columns]) -> Transfer:
        """Run the work from the thread that works ahead; its result may be unfinished."""
        if self.device.type != "cuda":
            return work(), None
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            columns = work()
            return columns, self.stream.record_event()

    def receive(self, transfer: Transfer) -> Columns:
        """Return the result for the device to use next; the host does not wait."""
        columns, arrived = transfer
        if arrived is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(arrived)
            for column in columns:
                column.record_stream(stream)  # its memory is not given away while in use here
        return columns
