"""Work for a device by another thread than the one that uses what comes of it."""

from collections.abc import Callable

import torch
from torch import Tensor

Columns = tuple[Tensor, ...]
Sent = tuple[Columns, torch.cuda.Event | None]


class Lane:
    """A stream of a GPU's own for what a thread sends there, so that it comes in while the device
    computes; on a CPU nothing but a call.

    One serves all epochs: memory that was freed on a stream is for that stream alone.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """What the device was given until now is done before what is sent from now on."""
        if self.device.type == "cuda":
            self.stream.wait_stream(torch.cuda.current_stream(self.device))

    def send(self, work: Callable[[], Columns]) -> Sent:
        """What the work gives, perhaps still on its way. In the thread that works ahead."""
        if self.device.type != "cuda":
            return work(), None
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            columns = work()
            return columns, self.stream.record_event()

    def take(self, sent: Sent) -> Columns:
        """The same for the device to use next, without a wait of the host. In the other thread."""
        columns, arrived = sent
        if arrived is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(arrived)
            for column in columns:
                column.record_stream(stream)  # its memory is not given away while in use here
        return columns
