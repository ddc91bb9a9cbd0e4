"""How long a training step takes and where, beside what the machine allows.

The step is the one that training runs, on rows of two kinds, by turns: ids as real rows have them
(fields of a few features to a quarter of them, ids log-uniform), and ids spread more widely (cubed
uniform), which touch more rows of the table. Every figure is measured once in every round, so that
what else the machine does falls on all of them alike.

The limit of a step is the larger of two: its matrix products, run by themselves, and its bytes over
the bandwidth of a copy.
"""

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ctrbench.command.limits import Products, large_copy, seconds, square_product
from ctrbench.command.settings import BenchSettings
from ctrbench.data.batches import Batch, Batches
from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.opened import Part
from ctrbench.files import write_atomic
from ctrbench.layers.embedding import Embedding
from ctrbench.machine import environment, peak_memory, resolve_device, reuse_memory, use_threads
from ctrbench.models import registry as models
from ctrbench.optim import registry as optimizers
from ctrbench.optim.joint import Joint
from ctrbench.runs.record import Results
from ctrbench.runs.settings import RunSettings
from ctrbench.training.step import Step

FIELDS, CROSSES = 39, 10
BATCH = 4_096  # unless trainer.batch_size is set
WARM_UP = 3
LATE = 1_000  # steps that the optimizers count as done: their first ones may be others
ROWS_AT_ONCE = 1 << 20
KINDS: dict[str, Callable[[Any, Any], Any]] = {
    "real-like": lambda u, sizes: np.expm1(u * np.log1p(sizes)),
    "spread": lambda u, sizes: u**3 * sizes,
}


def bench(run: RunSettings, own: BenchSettings) -> str:
    """The table of one model; ``bench/MODEL_PRECISION.json`` in the reports has the figures too."""
    device = resolve_device(run.device)
    reuse_memory()
    use_threads(run.threads)
    torch.manual_seed(run.seed)
    measured = _Measured(run, own, device)
    measured.measure()
    figures = measured.figures() | {"feeding": _feeding(measured.parts["real-like"], run, device)}
    path = Results(run.results).report("bench") / f"{run.model.name}_{run.precision}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(figures, indent=1) + "\n")
    return f"{_table(figures)}\n{path}"


class _Measured:
    """Seconds of each figure, a value for every round."""

    def __init__(self, run: RunSettings, own: BenchSettings, device: torch.device) -> None:
        self.run, self.own, self.device = run, own, device
        self.schema = _schema(own.features, crossed=run.model.crossing() is not None)
        self.parts = {kind: _random_part(self.schema, own.rows, kind) for kind in KINDS}
        batches = {
            kind: Batches(part, run.trainer.batch_size or BATCH, device)
            for kind, part in self.parts.items()
        }
        self.batch_size = batches["real-like"].batch_size
        self.feeds = {kind: _endless(drawn, run.seed) for kind, drawn in batches.items()}
        self.model = models.build(self.schema, run.model).to(device).train()
        self.step = Step(self.model, optimizers.build(self.model, run.optimizer), run.precision)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.touched: dict[str, list[int]] = defaultdict(list)

    def measure(self) -> None:
        self._warm_up()
        with Products() as products:
            self.step(next(self.feeds["real-like"]))
        square, self.operations = square_product(self.device, self.run.precision)
        copy, self.copied = large_copy(self.device)
        for _ in range(self.own.rounds):
            for kind, feed in self.feeds.items():
                batch = self._timed("batch", partial(next, feed))
                self.touched[kind].append(_touched(self.model, batch))
                self._timed(f"step, {kind} ids", partial(self.step, batch))
            self._in_parts(next(self.feeds["real-like"]))
            self._timed("products", products)
            self._timed("square", square)
            self._timed("copy", copy)

    def _warm_up(self) -> None:
        for _ in range(WARM_UP):
            self.step(next(self.feeds["real-like"]))
        _count_as_late(self.step.optimizer)
        for feed in self.feeds.values():
            self.step(next(feed))

    def _in_parts(self, batch: Batch) -> None:
        loss = self._timed("forward", partial(self.step.forward, batch))
        self._timed("backward", partial(self.step.backward, loss))
        self._timed("optimizer", self.step.optimizer.step)

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        found: list[Any] = []
        self.times[name].append(seconds(lambda: found.append(work()), self.device))
        return found[0]

    def figures(self) -> dict[str, Any]:
        """All that is known, in plain values: seconds, bytes, rows."""
        middle = {name: statistics.median(taken) for name, taken in self.times.items()}
        touched = {kind: statistics.mean(found) for kind, found in self.touched.items()}
        moved = self._bytes(touched["real-like"])
        limits = {"products": middle["products"], "memory": moved * middle["copy"] / self.copied}
        limit = max(limits.values())
        return {
            "model": self.run.model.name,
            "fields": FIELDS,
            "features": self.own.features,
            "rows": self.own.rows,
            "batch_size": self.batch_size,
            "environment": environment(self.device, self.run.precision),
            "seconds": {name: _spread(taken) for name, taken in self.times.items()},
            "rows_per_second": {k: self.batch_size / middle[f"step, {k} ids"] for k in KINDS},
            "touched_rows": touched,
            "places": self.batch_size * len(self.schema.crossed.fields),
            "square_flops": self.operations / middle["square"],
            "copy_bytes_per_second": self.copied / middle["copy"],
            "step_bytes": moved,
            "limit_seconds": limits,
            "times_the_limit": middle["step, real-like ids"] / limit,
            "peak_memory_bytes": peak_memory(self.device),
        }

    def _bytes(self, touched: float) -> float:
        """The least that a step moves: of the network and of touched rows a weight and two states
        read and written and a gradient read; of every place of a batch, its row and the gradient
        of that written and read."""
        tables, network = optimizers.split_parameters(self.model)
        columns = sum(table.shape[1] for table in tables) / len(tables)
        weights = sum(p.numel() for p in network) + touched * columns
        places = self.batch_size * FIELDS * sum(table.shape[1] for table in tables)
        return 4.0 * (7 * weights + 4 * places)


def _endless(batches: Batches, seed: int) -> Iterator[Batch]:
    for epoch in count():
        yield from batches.epoch(seed, epoch)


def _count_as_late(optimizer: torch.optim.Optimizer) -> None:
    for part in optimizer.parts.values() if isinstance(optimizer, Joint) else [optimizer]:
        for state in part.state.values():
            if "step" in state:
                state["step"].fill_(LATE)


def _touched(model: nn.Module, batch: Batch) -> int:
    """Different rows that a batch reads of all tables."""
    found = 0
    for embedding in (m for m in model.modules() if isinstance(m, Embedding)):
        slots = len(embedding.offsets_S)
        found += len(torch.unique(batch[0][:, :slots] + embedding.offsets_S))
    return found


def _schema(features: int, *, crossed: bool) -> Schema:
    """Fields of 2 features to about a quarter of all, by equal ratios; crosses as large as one."""
    low, high = 2.0, float(features)
    for _ in range(60):  # bisection on the largest field
        middle = (low * high) ** 0.5
        too_many = np.geomspace(2, middle, FIELDS).sum() > features
        low, high = (low, middle) if too_many else (middle, high)
    sizes = np.geomspace(2, low, FIELDS).astype(int)
    sizes[-1] += features - sizes.sum()
    fields = tuple(Field(f"f{i}", "vocabulary", int(size)) for i, size in enumerate(sizes))
    crosses = tuple(Field(f"x{i}", "vocabulary", features // FIELDS) for i in range(CROSSES))
    return Schema(fields, crosses if crossed else ())


def _random_part(schema: Schema, rows: int, kind: str) -> Part:
    rng = np.random.default_rng(0)
    sizes = np.array([field.size for field in schema.crossed.fields])
    ids_NS = np.empty((rows, len(sizes)), np.int32)
    for start in range(0, rows, ROWS_AT_ONCE):
        piece = ids_NS[start : start + ROWS_AT_ONCE]
        piece[:] = KINDS[kind](rng.random(piece.shape), sizes)
    labels_N = (rng.random(rows) < 0.25).astype(np.uint8)
    fields_NS, crosses_NC = ids_NS[:, : schema.slots], ids_NS[:, schema.slots :]
    return Part(fields_NS, crosses_NC, labels_N, np.empty((rows, 0), np.float32), None)


def _feeding(made: Part, run: RunSettings, device: torch.device) -> dict[str, float]:
    """Rows a second of batches alone, from each place that rows can be held in. The disk's are
    those of files that the system has in its memory."""
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ids.npy"
        np.save(path, made.ids_NS)
        mapped = replace(made, ids_NS=np.load(path, mmap_mode="c"))
        for place in ("device", "host", "disk"):
            part = mapped if place == "disk" else made
            batches = Batches(part, run.trainer.batch_size or BATCH, device, place)
            rates[place] = batches.rows / seconds(partial(_run_through, batches), device)
    return rates


def _spread(taken: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(taken, n=4)
    return {"median": middle, "quarter": low, "three_quarters": high, "least": min(taken)}


def _run_through(batches: Batches) -> None:
    for _ in batches.epoch(0, 0):
        pass


def _table(figures: dict[str, Any]) -> str:
    about, rate = figures["environment"], figures["rows_per_second"]
    limits = figures["limit_seconds"]
    lines = [
        f"{figures['model']}, {FIELDS} fields, {figures['features']:,} features, batch "
        f"{figures['batch_size']:,}; {about['device']}, {about['threads']} threads, "
        f"{about['precision']}, torch {about['torch']}",
        f"  {'ms':24}{'median':>10}   half of them within",
    ]
    for name, taken in figures["seconds"].items():
        middle, low, high = (1e3 * taken[k] for k in ("median", "quarter", "three_quarters"))
        lines.append(f"  {name:24}{middle:10.2f}   {low:.2f} to {high:.2f}")
    for kind, touched in figures["touched_rows"].items():
        lines.append(
            f"  {kind} ids: {rate[kind]:,.0f} rows/s; a batch touches {touched:,.0f} different "
            f"rows at {figures['places']:,} places"
        )
    lines += [
        f"  limit by products {1e3 * limits['products']:.2f} ms (a square one does "
        f"{figures['square_flops'] / 1e9:.0f} GFLOP/s), by memory {1e3 * limits['memory']:.2f} ms "
        f"({figures['step_bytes'] / 1e6:.0f} MB at "
        f"{figures['copy_bytes_per_second'] / 1e9:.0f} GB/s)",
        f"  the step takes {figures['times_the_limit']:.1f} times its limit; peak memory "
        f"{figures['peak_memory_bytes'] / 2**20:,.0f} MiB",
        "  feeding from "
        + ", ".join(f"{p} {r / 1e6:.1f} M rows/s" for p, r in figures["feeding"].items()),
    ]
    return "\n".join(lines)
