"""A step as training on a GPU does it: recorded once, replayed on whatever batch it is given."""

from collections.abc import Callable
from functools import partial

import torch

from ctrbench.command.bench.limits import Work
from ctrbench.data.batches import Batch
from ctrbench.training.captured import WARM_UP, CudaGraph, Graph, record
from ctrbench.training.step import Step

MakeGraph = Callable[[], Graph]


def graphs(device: torch.device, *, captured: bool) -> MakeGraph | None:
    """What makes a graph, where training replays them; None where it does not."""
    return partial(CudaGraph, device) if captured and device.type == "cuda" else None


def on_batches(step: Step, batch: Batch, make_graph: MakeGraph | None) -> Callable[[Batch], Work]:
    """Returns what makes a batch's step, ready to be timed.

    Args:
        batch: one like those to come.
    """
    if make_graph is None:
        return lambda batch: partial(step, batch)
    ids_BS, values_BX, labels_B = (column.clone() for column in batch)
    held, graph = (ids_BS, values_BX, labels_B), make_graph()

    def work() -> None:
        step(held)

    for _ in range(WARM_UP):
        graph.run_eagerly(work)
    record(graph, step.optimizer, work)

    def of(batch: Batch) -> Work:
        for column, given in zip(held, batch, strict=True):
            column.copy_(given)
        return graph.replay

    return of


def alone(work: Work, make_graph: MakeGraph | None) -> Work:
    """The same work without the cost of its launches, where there are graphs."""
    if make_graph is None:
        return work
    graph = make_graph()
    graph.run_eagerly(work)
    graph.record(work)
    return graph.replay
