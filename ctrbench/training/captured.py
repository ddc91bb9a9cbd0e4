"""Training steps on a GPU without the host: the step, from the choice of its rows to its loss, is
recorded once as a CUDA graph and replayed.

A replay takes nothing from the host. Which step it is, a counter on the device says, which the
step itself advances: by it the batch is chosen and the loss is put in its place. The bits of
dropout come from the device's generator, which a graph continues as plain steps do. The first steps
run as they are, on the stream that the recording will use: they are steps of the run, so that
nothing has to be undone, and they make the optimizer's state. Gradients lie in the graph's own
memory: each step finds none, as without a graph.

What a graph holds for good: the memory of weights, optimizer state and rows, and numbers of the
host such as a constant learning rate. One on a schedule is a tensor that is set between replays.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from ctrbench.data.batches import Batches
from ctrbench.data.feed import feed
from ctrbench.errors import UserError
from ctrbench.training.loop import Loop
from ctrbench.training.step import Step

WARM_UP = 3  # calls before the recording: libraries and optimizers make what they keep
Work = Callable[[], object]


class Graph(ABC):
    """Work on a device that is done again and again with the same memory."""

    @abstractmethod
    def aside(self, work: Work) -> None:
        """Do it as it is."""

    @abstractmethod
    def record(self, work: Work) -> None:
        """Keep what it gives to the device, which does nothing yet."""

    @abstractmethod
    def replay(self) -> None:
        """Have the device do what was kept."""


class CudaGraph(Graph):
    """That of torch."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.graph = torch.cuda.CUDAGraph()
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def aside(self, work: Work) -> None:
        """On the stream of the recording, as autograd's nodes remember theirs."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            work()
        current.wait_stream(self.stream)

    def record(self, work: Work) -> None:
        """Other threads may use the device meanwhile, as the one that fetches rows does."""
        mode, current = "thread_local", torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode=mode):
                work()
        finally:
            torch.cuda.set_stream(current)  # torch leaves its own behind a recording that failed

    def replay(self) -> None:
        self.graph.replay()


class CapturedLoop(Loop):
    """The steps of :class:`Loop` by replays of a graph."""

    def __init__(self, step: Step, batches: Batches, graph: Graph) -> None:
        super().__init__(step, batches)
        self.graph, self.feed, self.calls = graph, feed(batches), 0
        self.step_1 = torch.zeros(1, dtype=torch.int64, device=batches.device)

    def begin(self, seed: int, epoch: int, first_step: int = 0) -> None:
        """Go to a step of an epoch."""
        self.feed.begin(seed, epoch, first_step)
        self.step_1.fill_(first_step)
        self.done = first_step

    def __call__(self) -> None:
        """The next step of the epoch. It does not wait for the device.

        Raises:
            UserError: if the step cannot be recorded.
        """
        self.feed.bring(self.done)
        if self.calls < WARM_UP:
            self.graph.aside(self._work)
        else:
            if self.calls == WARM_UP:
                record(self.graph, self.step.optimizer, self._work)
            self.graph.replay()
        self.calls += 1
        self.done += 1

    def _work(self) -> None:
        """All that a step is."""
        loss = self.step(self.feed.batch(self.step_1))
        self.losses_T.index_copy_(0, self.step_1, loss[None])
        self.step_1 += 1


def record(graph: Graph, optimizer: torch.optim.Optimizer, work: Work) -> None:
    """Record a step.

    Raises:
        UserError: if it cannot be, as one that waits for the device cannot.
    """
    optimizer.zero_grad(set_to_none=True)  # the recording's gradients are in memory of its own
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    for group in groups:
        group["capturable"] = True  # torch's optimizers ask to be told; they warn if it stays
    try:
        graph.record(work)
    except RuntimeError as error:
        first = error.__context__ or error  # the end of a spoilt recording fails too
        reason = str(first).partition("\n")[0]
        raise UserError(
            f"the step cannot be recorded as a CUDA graph ({reason}); "
            "trainer.captured=false runs it as it is"
        ) from None
    finally:
        for group in groups:
            group["capturable"] = False


def loop(step: Step, batches: Batches, *, captured: bool = True) -> Loop:
    """Captured on a GPU, plain on a CPU."""
    if captured and batches.device.type == "cuda":
        return CapturedLoop(step, batches, CudaGraph(batches.device))
    return Loop(step, batches)
