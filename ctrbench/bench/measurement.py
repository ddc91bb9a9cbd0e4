"""Models measured in turn, each figure once in every round, so that other load on the machine
affects all of them alike.

The step is the one that training runs: on a GPU a replay, and its parts as they are. Its limit is
the larger of two: its matrix products, run by themselves, and its bytes over the bandwidth of a
copy.
"""

import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ctrbench.bench.captured_step import (
    MakeGraph,
    graph_constructor,
    step_on_batches,
    without_launches,
)
from ctrbench.bench.limits import Operations, Products, least_bytes
from ctrbench.bench.synthetic import FIELDS, KINDS, Rows, synthetic_schema
from ctrbench.bench.timings import Machine, Timings, ratio_quartiles
from ctrbench.config.settings import RunSettings
from ctrbench.config.verb_settings import BenchSettings
from ctrbench.data.batches import Batch, Batches
from ctrbench.data.schema import Schema
from ctrbench.errors import UserError
from ctrbench.layers.embedding import Embedding
from ctrbench.machine import (
    anonymous_memory,
    available_memory,
    environment,
    peak_memory,
    reset_peak_memory,
    resolve_device,
    reuse_memory,
    use_threads,
)
from ctrbench.models import registry as models
from ctrbench.optim import registry as optimizers
from ctrbench.optim.joint import Joint
from ctrbench.runs.size import training_bytes
from ctrbench.timing import measure_seconds
from ctrbench.training.step import Step

BATCH = 4_096  # unless trainer.batch_size is set
WARM_UP = 3
STEP = "step, real-like ids"
LATE = 1_000  # steps that the optimizers count as done: their first ones may be others


class Measured(Timings):
    """A model's step, whole and in parts."""

    def __init__(
        self,
        run: RunSettings,
        rows: Rows,
        device: torch.device,
        make_graph: MakeGraph | None = None,
    ) -> None:
        super().__init__(device)
        self.run, self.batch_size = run, rows.batch_size
        crossed = run.model.crossing() is not None
        self.schema = rows.schema if crossed else rows.plain
        self.feeds = rows.feeds(run.seed, crossed=crossed)
        torch.manual_seed(run.seed)
        self.model = models.build(self.schema, run.model).to(device).train()
        self.operations = self._operations()
        optimizer = optimizers.build(self.model, run.optimizer)
        self.step = Step.from_settings(run.trainer, self.model, optimizer, run.precision)
        self.touched: dict[str, list[int]] = defaultdict(list)
        self._warm_up()
        with Products() as self.products:
            self.step(next(self.feeds["real-like"]))
        self.whole = step_on_batches(self.step, next(self.feeds["real-like"]), make_graph)
        self.alone = without_launches(self.products, make_graph)

    def _operations(self) -> int:
        """Count the operations of the formula, before an optimizer asks for sparse gradients."""
        plain = Step(self.model, torch.optim.SGD(self.model.parameters()), self.run.precision)
        operations = Operations()
        with operations:
            plain.backward(plain.forward(next(self.feeds["real-like"])))
        self.model.zero_grad(set_to_none=True)
        return operations.count

    def _warm_up(self) -> None:
        for _ in range(WARM_UP):
            self.step(next(self.feeds["real-like"]))
        count_as_late(self.step.optimizer)
        for feed in self.feeds.values():
            self.step(next(feed))

    def round(self) -> None:
        """Measure each figure once, after a step that brings the model back into the caches."""
        self.step(next(self.feeds["real-like"]))
        for kind, feed in self.feeds.items():
            batch = self.timed("batch", partial(next, feed))
            self.touched[kind].append(_distinct_rows(self.model, batch))
            self.timed(f"step, {kind} ids", self.whole(batch))
        self._in_parts(next(self.feeds["real-like"]))
        self.timed("products", self.alone)

    def _in_parts(self, batch: Batch) -> None:
        loss = self.timed("forward", partial(self.step.forward, batch))
        self.timed("backward", partial(self.step.backward, loss))
        self.timed("optimizer", self.step.update)

    def figures(self, machine: Machine) -> dict[str, Any]:
        """Return all figures as plain values: seconds, bytes, rows."""
        touched = {kind: statistics.mean(found) for kind, found in self.touched.items()}
        states = self.run.optimizer.states()
        moving = touched["real-like"] if self.device.type == "cpu" else None
        slots = self.schema.crossed.slots
        moved = least_bytes(self.model, self.batch_size, slots, states, moving)
        bandwidth = machine.figures()["copy_bytes_per_second"]
        limits = {"products": self.middle("products"), "memory": moved / bandwidth}
        steps = {kind: self.middle(f"step, {kind} ids") for kind in KINDS}
        return {
            "model": self.run.model.name,
            "seconds": self.spreads(),
            "rounds": self.times[STEP],
            "rows_per_second": {kind: self.batch_size / step for kind, step in steps.items()},
            "touched_rows": touched,
            "places": self.places,
            "operations": self.operations,
            "step_bytes": moved,
            "limit_seconds": limits,
            "times_the_limit": steps["real-like"] / max(limits.values()),
        }

    @property
    def places(self) -> int:
        """Ids of a batch."""
        return self.batch_size * self.schema.crossed.slots


def measure(runs: list[RunSettings], own: BenchSettings) -> dict[str, Any]:
    """Return the figures of several models in interleaved rounds; of a single one also those of its
    input and of a whole epoch."""
    with tempfile.TemporaryDirectory() as folder:
        return _measured(runs, own, Path(folder))


def _measured(runs: list[RunSettings], own: BenchSettings, folder: Path) -> dict[str, Any]:
    device = resolve_device(runs[0].device)
    reuse_memory()
    use_threads(runs[0].threads)
    made: dict[str, Any] = {
        "crossed": any(run.model.crossing() is not None for run in runs),
        "history": runs[0].data.history,
    }
    batch_size = runs[0].trainer.batch_size or BATCH
    _check_memory(runs, synthetic_schema(own.features, **made), device)
    rows = Rows(own, folder, **made, batch_size=batch_size, device=device)
    reset_peak_memory(device)  # what making them took is given back
    make_graph = graph_constructor(device, captured=runs[0].trainer.captured)
    measured = [Measured(run, rows, device, make_graph) for run in runs]
    machine = Machine(device, runs[0].precision)
    for _ in range(own.rounds):
        for one in measured:
            one.round()
        machine.round()
    figures = {
        "fields": FIELDS,
        "features": own.features,
        "rows": own.rows,
        "rounds": own.rounds,
        "batch_size": rows.batch_size,
        "environment": environment(device, runs[0].precision),
        "machine": machine.figures(),
        "models": _with_ratios([one.figures(machine) for one in measured], measured),
        "peak_memory_bytes": peak_memory(device),
    }
    if len(measured) == 1:
        figures["feeding"] = _input_rates(rows)
        figures["epoch"] = _epoch(measured[0], rows)
    return figures


def _input_rates(rows: Rows) -> dict[str, float]:
    """Return rows per second of the input alone, from each place that rows can be held in. Files on
    disk are in the system's cache."""
    rates, part = {}, rows.parts["spread"]
    for place in ("device", "host", "disk"):
        batches = rows.taken(part, place)
        rates[place] = batches.rows / measure_seconds(partial(run_through, batches), rows.device)
    return rates


def _epoch(one: Measured, rows: Rows) -> dict[str, float]:
    """Return the time of a whole epoch over the rows' files, and the anonymous memory of the
    process at its end."""
    batches = rows.batches["real-like"] if len(one.schema.crosses) else rows.without["real-like"]

    def run() -> None:
        for batch in batches.epoch(one.run.seed, 0):
            one.whole(batch)()

    taken = measure_seconds(run, rows.device)
    return {"rows": batches.rows, "seconds": taken, "anonymous_bytes": anonymous_memory()}


def run_through(batches: Batches) -> None:
    """Read every batch of an epoch."""
    for _ in batches.epoch(0, 0):
        pass


def _with_ratios(figures: list[dict[str, Any]], measured: list[Measured]) -> list[dict[str, Any]]:
    """Return the figures with each model's time and operations over LR's, if LR is among them."""
    named = {one.run.model.name: one for one in measured}
    if "lr" not in named:
        return figures
    lr = named["lr"]
    return [
        found
        | {
            "time_over_lr": ratio_quartiles(one.times[STEP], lr.times[STEP]),
            "operations_over_lr": one.operations / lr.operations,
        }
        for found, one in zip(figures, measured, strict=True)
    ]


def _check_memory(runs: list[RunSettings], schema: Schema, device: torch.device) -> None:
    needed = sum(
        training_bytes(schema, run.model, run.optimizer, averaged=run.trainer.ema is not None)
        for run in runs
    )
    if needed > (there := available_memory(device)):
        raise UserError(
            f"{', '.join(run.model.name for run in runs)}: together they take "
            f"{needed / 1e9:,.1f} GB of memory, and {there / 1e9:.1f} GB are free; measure fewer "
            "at a time, or give fewer bench.features"
        )


def count_as_late(optimizer: torch.optim.Optimizer) -> None:
    """Have an optimizer that has made some steps count as if they were many."""
    for part in optimizer.parts.values() if isinstance(optimizer, Joint) else [optimizer]:
        for state in part.state.values():
            if "step" in state:
                state["step"].fill_(LATE)


def _distinct_rows(model: nn.Module, batch: Batch) -> int:
    """Return the number of different table rows that a batch reads."""
    found = 0
    for embedding in (m for m in model.modules() if isinstance(m, Embedding)):
        slots = len(embedding.offsets_S)
        found += len(torch.unique(batch[0][:, :slots] + embedding.offsets_S))
    return found
