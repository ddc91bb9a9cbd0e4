"""How long a training step takes and where, beside what the machine allows.

Random rows at the size of the paper's Criteo setting: 39 fields, a million features. The limit of
a step is the larger of its operations over a measured matrix-product rate and its bytes over a
measured copy bandwidth.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ctrbench.data.batches import Batches
from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.opened import Part
from ctrbench.machine import environment, resolve_device
from ctrbench.models import registry as models
from ctrbench.optim import registry as optimizers
from ctrbench.runs.settings import RunSettings
from ctrbench.training.step import Step

FIELDS, FEATURES, WARM_UP, STEPS = 39, 1_000_000, 3, 20
FEED_ROWS = 1_000_000
MOVES = 7  # floats of a dense step per weight: w and two states read and written, g read
CROSSES = 10
SCHEMA = Schema(
    tuple(
        Field(f"f{i}", "vocabulary", FEATURES // FIELDS + (i < FEATURES % FIELDS))
        for i in range(FIELDS)
    )
)
CROSSED = Schema(
    SCHEMA.fields, tuple(Field(f"x{i}", "vocabulary", FEATURES // FIELDS) for i in range(CROSSES))
)
Timed = Callable[[], object]


def bench(settings: RunSettings) -> str:
    """Median times of the parts of a step of one model, as a table."""
    device = resolve_device(settings.device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    schema = SCHEMA if settings.model.crossing() is None else CROSSED
    parts = _times(settings, schema, device)
    step, rows = sum(parts.values()), settings.trainer.rows_of_step(FEED_ROWS)
    operations, moved = _work(settings, schema)
    gemm, copy = _gemm_rate(device), _copy_rate(device)
    limit = max(operations / gemm, moved / copy)
    about = environment(device, settings.precision)
    lines = [
        f"{settings.model.name}, {FIELDS} fields, {FEATURES:,} features, batch {rows:,}; "
        f"{about['device']}, {about['threads']} threads, {about['precision']}, "
        f"torch {about['torch']}",
        *(f"  {name:12}{1e3 * seconds:9.2f} ms" for name, seconds in parts.items()),
        f"  {'step':12}{1e3 * step:9.2f} ms  {rows / step:,.0f} rows/s",
        f"  {'limit':12}{1e3 * limit:9.2f} ms  {operations / 1e9:.2f} GFLOP at "
        f"{gemm / 1e9:.0f} GFLOP/s fp32, {moved / 1e9:.3f} GB at {copy / 1e9:.0f} GB/s",
        f"  the step takes {step / limit:.1f} times its limit",
        f"  feeding from {', from '.join(_feeding(schema, rows, device))}",
    ]
    return "\n".join(lines)


def _times(settings: RunSettings, schema: Schema, device: torch.device) -> dict[str, float]:
    model = models.build(schema, settings.model).to(device)
    optimizer = optimizers.build(model, settings.optimizer)
    rows = settings.trainer.rows_of_step(FEED_ROWS) * (WARM_UP + STEPS)
    batches = Batches(_random_part(schema, rows), settings.trainer.rows_of_step(FEED_ROWS), device)
    epoch = batches.epoch(settings.seed, 0)
    times: dict[str, list[float]] = {n: [] for n in ("batch", "forward", "backward", "optimizer")}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        _wait(device)
        started = time.perf_counter()
        result = work()
        _wait(device)
        times[name].append(time.perf_counter() - started)
        return result

    model.train()
    step = Step(model, optimizer, settings.precision)
    for _ in range(batches.steps):
        batch = timed("batch", partial(next, epoch))
        loss = timed("forward", partial(step.forward, batch))
        timed("backward", partial(step.backward, loss))
        timed("optimizer", optimizer.step)
    return {name: statistics.median(taken[WARM_UP:]) for name, taken in times.items()}


def _feeding(schema: Schema, batch_size: int, device: torch.device) -> list[str]:
    """Rows a second of batches alone, from each place that rows can be held in. The disk's are
    those of files that the system has in its memory."""
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ids.npy"
        made = _random_part(schema, FEED_ROWS)
        np.save(path, made.ids_NS)
        mapped = replace(made, ids_NS=np.load(path, mmap_mode="r"))
        for place in ("device", "host", "disk"):
            batches = Batches(mapped if place == "disk" else made, batch_size, device, place)
            _wait(device)
            started = time.perf_counter()
            for _ in batches.epoch(0, 0):
                pass
            _wait(device)
            rate = batches.rows / (time.perf_counter() - started)
            rates.append(f"{place} {rate / 1e6:.1f} M rows/s")
    return rates


def _random_part(schema: Schema, rows: int) -> Part:
    rng = np.random.default_rng(0)
    sizes = [field.size for field in schema.crossed.fields]
    ids_NS = (rng.random((rows, len(sizes))) ** 3 * sizes).astype(np.int32)  # heavy-tailed
    ids_NS, crosses_NC = ids_NS[:, : schema.slots], ids_NS[:, schema.slots :]
    labels_N = (rng.random(rows) < 0.25).astype(np.uint8)
    return Part(ids_NS, crosses_NC, labels_N, np.empty((rows, 0), np.float32), None)


def _work(settings: RunSettings, schema: Schema) -> tuple[float, float]:
    """Operations of the matrix products and convolutions, forward and backward, counted on a few
    rows; bytes of the dense optimizer and of the gathered rows."""
    model = models.build(schema, settings.model)
    rows, few = settings.trainer.rows_of_step(FEED_ROWS), 8
    ids = torch.zeros(few, len(schema.crossed.fields), dtype=torch.int32)
    with FlopCounterMode(display=False) as counter:
        model(ids, torch.zeros(few, 0)).sum().backward()
    operations = counter.get_total_flops() * rows / few
    tables, network = optimizers.split_parameters(model)
    weights = sum(p.numel() for p in [*tables, *network])
    gathered = 3 * rows * FIELDS * sum(table.shape[1] for table in tables)
    return operations, 4.0 * (MOVES * weights + gathered)


def _best(work: Timed, device: torch.device) -> float:
    times = []
    for _ in range(5):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - started)
    return min(times)


def _gemm_rate(device: torch.device) -> float:
    a, b = torch.randn(4096, 1024, device=device), torch.randn(1024, 1024, device=device)
    return 2 * 4096 * 1024 * 1024 / _best(lambda: a @ b, device)


def _copy_rate(device: torch.device) -> float:
    source = torch.randn(32 << 20, device=device)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / _best(lambda: target.copy_(source), device)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
