"""Replays of a step on batch after batch, against plain steps, with what stands in for a graph."""

import pytest
import torch
from stand_in import Recording, StandIn
from support import Compose, small

from ctrbench.bench.captured_step import (
    MakeGraph,
    graph_constructor,
    step_on_batches,
    without_launches,
)
from ctrbench.bench.gpu import rows
from ctrbench.bench.synthetic import synthetic_schema
from ctrbench.data.batches import Batches
from ctrbench.training.cuda_graph import WARM_UP

CPU = torch.device("cpu")
MADE = synthetic_schema(1_000, crossed=True)


@pytest.mark.parametrize("make_graph", [None, Recording])
def test_a_step_on_every_batch(make_graph: MakeGraph | None, settings: Compose) -> None:
    """The first batch as often as it warms up, then each in turn."""
    batches = list(Batches(rows.synthetic_rows(MADE, 640, 0, CPU), 64, CPU).epoch(0, 0))
    own = settings(*small("wide_deep"), "tuned=none", "model.dropout=0")
    plain, replayed = (StandIn().step(own, MADE) for _ in range(2))
    for _ in range(0 if make_graph is None else WARM_UP):
        plain(batches[0])
    whole = step_on_batches(replayed, batches[0], make_graph)
    for batch in batches:
        plain(batch)
        whole(batch)()
    ours, expected = replayed.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(ours[name], weight) for name, weight in expected.items())


def test_work_alone() -> None:
    done = torch.zeros(1)
    work = without_launches(lambda: done.add_(1), Recording)
    assert done == 1  # a warm-up
    work()
    assert done == 2


def test_no_graphs_without_a_gpu_or_where_they_are_not_wanted() -> None:
    assert graph_constructor(CPU, captured=True) is None
    assert graph_constructor(torch.device("cuda"), captured=False) is None
