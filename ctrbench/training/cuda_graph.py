"""Training steps as replays of a CUDA graph: the step, from the selection of its rows to its loss,
is captured once.

A replay takes nothing from the host. A step counter on the device, incremented by the step itself,
selects the batch and the slot for its loss. Dropout draws from the device's generator, which a
graph advances as plain steps do. The first steps run eagerly, on the stream that the capture will
use: they are steps of the run, so that nothing has to be undone, and they create the optimizer's
state. Gradients lie in the graph's private memory pool, and are None at the start of every step, as
in eager mode.

A graph fixes the addresses of weights, optimizer state and rows, and host values such as a constant
learning rate. A scheduled one is a tensor that is set between replays.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

from ctrbench.data.batches import Batches
from ctrbench.data.static_inputs import static_inputs
from ctrbench.errors import UserError
from ctrbench.training.step import Step, TrainingLoop

WARM_UP = 3  # eager calls before the capture: libraries and optimizers allocate their state
Work = Callable[[], object]


class Graph(ABC):
    """Work on a device that is captured once and replayed on the same memory.

    Tests replace it by a stand-in for CUDA."""

    @abstractmethod
    def run_eagerly(self, work: Work) -> None:
        """Run eagerly on the capture stream."""

    @abstractmethod
    def capture(self, work: Work) -> None:
        """Capture the work; the device does not run it yet."""

    @abstractmethod
    def replay(self) -> None:
        """Run the captured work."""


class CudaGraph(Graph):
    """A graph of ``torch.cuda``."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.graph = torch.cuda.CUDAGraph()
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def run_eagerly(self, work: Work) -> None:
        """Run on the capture stream, since autograd remembers the stream of each operation."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            work()
        current.wait_stream(self.stream)

    def capture(self, work: Work) -> None:
        """Capture; the thread that prefetches rows may use the device meanwhile."""
        mode, current = "thread_local", torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode=mode):
                work()
        finally:
            torch.cuda.set_stream(current)  # torch does not restore it after a failed capture

    def replay(self) -> None:
        self.graph.replay()


class CapturedLoop(TrainingLoop):
    """A training loop whose steps are replays of a graph."""

    def __init__(self, step: Step, batches: Batches, graph: Graph) -> None:
        super().__init__(step, batches)
        self.graph, self.inputs, self.calls = graph, static_inputs(batches), 0
        self.step_1 = torch.zeros(1, dtype=torch.int64, device=batches.device)

    def begin(self, seed: int, epoch: int, first_step: int = 0) -> None:
        """Start at a step of an epoch."""
        self.inputs.begin(seed, epoch, first_step)
        self.step_1.fill_(first_step)
        self.done = first_step

    def __call__(self) -> None:
        """Run the next step of the epoch, without waiting for the device."""
        self.inputs.prepare(self.done)
        if self.calls < WARM_UP:
            self.graph.run_eagerly(self._work)
        else:
            if self.calls == WARM_UP:
                capture_step(self.graph, self.step.optimizer, self._work)
            self.graph.replay()
        self.calls += 1
        self.done += 1

    def _work(self) -> None:
        """Run one whole step."""
        loss = self.step(self.inputs.batch(self.step_1))
        self.losses_T.index_copy_(0, self.step_1, loss[None])
        self.step_1 += 1


def capture_step(graph: Graph, optimizer: torch.optim.Optimizer, work: Work) -> None:
    """Capture a training step; one that waits for the device is a :class:`UserError`."""
    optimizer.zero_grad(set_to_none=True)  # those of the capture are in its own pool
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    for group in groups:
        group["capturable"] = True  # torch requires it here, and warns where it stays
    try:
        graph.capture(work)
    except RuntimeError as error:
        first = error.__context__ or error  # ending a failed capture fails too
        reason = str(first).partition("\n")[0]
        raise UserError(
            f"the step cannot be captured as a CUDA graph ({reason}); "
            "trainer.captured=false runs it eagerly"
        ) from None
    finally:
        for group in groups:
            group["capturable"] = False


def make_training_loop(step: Step, batches: Batches, *, captured: bool = True) -> TrainingLoop:
    """Return a captured loop on a GPU, an eager one on a CPU."""
    if captured and batches.device.type == "cuda":
        return CapturedLoop(step, batches, CudaGraph(batches.device))
    return TrainingLoop(step, batches)
