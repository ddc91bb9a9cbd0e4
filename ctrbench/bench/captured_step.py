"""A step as training on a GPU runs it: captured once, replayed on every batch."""

from collections.abc import Callable
from functools import partial

import torch

from ctrbench.data.batches import Batch
from ctrbench.timing import Work
from ctrbench.training.cuda_graph import WARM_UP, CudaGraph, Graph, capture_step
from ctrbench.training.step import Step

MakeGraph = Callable[[], Graph]


def graph_constructor(device: torch.device, *, captured: bool) -> MakeGraph | None:
    """Return the constructor of CUDA graphs where training replays them, else None."""
    return partial(CudaGraph, device) if captured and device.type == "cuda" else None


def step_on_batches(
    step: Step, batch: Batch, make_graph: MakeGraph | None
) -> Callable[[Batch], Work]:
    """Return a function that prepares a batch's step for timing.

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
    capture_step(graph, step.optimizer, work)

    def of(batch: Batch) -> Work:
        for column, given in zip(held, batch, strict=True):
            column.copy_(given)
        return graph.replay

    return of


def without_launches(work: Work, make_graph: MakeGraph | None) -> Work:
    """Return the same work without the cost of its launches, if there are graphs."""
    if make_graph is None:
        return work
    graph = make_graph()
    graph.run_eagerly(work)
    graph.capture(work)
    return graph.replay
