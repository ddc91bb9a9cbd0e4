"""Work for a device, done by another thread than the one that uses its results."""

from collections.abc import Callable

import torch
from torch import Tensor

Columns = tuple[Tensor, ...]
Sent = tuple[Columns, torch.cuda.Event | None]


class Lane:
    """A separate GPU stream for what a thread sends there, so that it arrives while the device
    computes; on a CPU nothing but a call.

    One stream serves all epochs, because the allocator reuses freed memory only on the stream it
    was freed on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """Have what is sent from now on wait for the work that the device already has."""
        if self.device.type == "cuda":
            self.stream.wait_stream(torch.cuda.current_stream(self.device))

    def send(self, work: Callable[[], Columns]) -> Sent:
        """The results of the work, perhaps still on their way. For the thread that works ahead."""
        if self.device.type != "cuda":
            return work(), None
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            columns = work()
            return columns, self.stream.record_event()

    def take(self, sent: Sent) -> Columns:
        """The results, for the device to use next; the host does not wait. For the other thread."""
        columns, arrived = sent
        if arrived is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(arrived)
            for column in columns:
                column.record_stream(stream)  # its memory is not given away while in use here
        return columns
