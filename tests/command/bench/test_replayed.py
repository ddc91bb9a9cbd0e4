"""Replays of a step on batch after batch, against plain steps, with what stands in for a graph."""

import pytest
import torch
from stand_in import Recording, StandIn
from support import Compose, small

from ctrbench.command.bench.made import made_schema
from ctrbench.command.bench.replayed import MakeGraph, alone, graphs, on_batches
from ctrbench.command.gpu import rows
from ctrbench.data.batches import Batches
from ctrbench.training.captured import WARM_UP

CPU = torch.device("cpu")
MADE = made_schema(1_000, crossed=True)


@pytest.mark.parametrize("make_graph", [None, Recording])
def test_a_step_on_every_batch(make_graph: MakeGraph | None, settings: Compose) -> None:
    """The first batch as often as it warms up, then each in turn."""
    batches = list(Batches(rows.part(MADE, 640, 0, CPU), 64, CPU).epoch(0, 0))
    own = settings(*small("wide_deep"), "tuned=none", "model.dropout=0")
    plain, replayed = (StandIn().step(own, MADE) for _ in range(2))
    for _ in range(0 if make_graph is None else WARM_UP):
        plain(batches[0])
    whole = on_batches(replayed, batches[0], make_graph)
    for batch in batches:
        plain(batch)
        whole(batch)()
    ours, expected = replayed.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(ours[name], weight) for name, weight in expected.items())


def test_work_alone() -> None:
    done = torch.zeros(1)
    work = alone(lambda: done.add_(1), Recording)
    assert done == 1  # a warm-up
    work()
    assert done == 2


def test_no_graphs_without_a_gpu_or_where_they_are_not_wanted() -> None:
    assert graphs(CPU, captured=True) is None
    assert graphs(torch.device("cuda"), captured=False) is None
