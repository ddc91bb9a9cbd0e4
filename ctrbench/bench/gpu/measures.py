"""Measure how fast a GPU trains: a step of every model against its limits, and whole epochs.

A step can be no shorter than its matrix products, nor than its bytes take. Gradients of tables are
dense on a GPU: of all weights, whatever the batch reads, the gradient is set and read once, the
weight and each number that the optimizer keeps is read and written. Of DeepFM over a million
features, by Adam, that is 8 times 44 MB: about .15 ms on an H100.
"""

import statistics
import tempfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from ctrbench.bench.captured_step import without_launches
from ctrbench.bench.gpu import rows
from ctrbench.bench.gpu.device import Gpu
from ctrbench.bench.gpu.settings import GpuSettings
from ctrbench.bench.limits import Products, large_copy, least_bytes
from ctrbench.bench.measurement import BATCH
from ctrbench.bench.synthetic import synthetic_schema
from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batches
from ctrbench.machine import peak_memory, reset_peak_memory
from ctrbench.timing import Work, measure_seconds
from ctrbench.training.checkpoint import Progress
from ctrbench.training.cuda_graph import WARM_UP
from ctrbench.training.step import Step, TrainingLoop
from ctrbench.training.trainer import Trainer

BATCHES = 64  # that steps are timed on
ROUNDS, EPOCHS = 5, 2
PROFILED = 50  # steps whose kernels are looked at
VALID = 8  # training rows to a validation row
Figures = dict[str, Any]


def measure_step(gpu: Gpu, run: RunSettings, own: GpuSettings) -> Figures:
    """Return the median seconds of the plain and the captured step, measured in turn, and of its
    limits."""
    crossed = run.model.crossing() is not None
    made = synthetic_schema(own.features, crossed=crossed, history=run.data.history)
    size = run.trainer.batch_size or BATCH
    batches = Batches(rows.synthetic_rows(made, BATCHES * size, 0, gpu.device), size, gpu.device)
    reset_peak_memory(gpu.device)
    step = gpu.step(run, made)
    runs = {
        "plain": _Endless(TrainingLoop(step, batches)),
        "captured": _Endless(gpu.captured(step, batches)),
    }
    for endless in runs.values():
        endless(WARM_UP + 1)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, endless in runs.items():
            spent = measure_seconds(partial(endless, own.steps), gpu.device)
            taken[name].append(spent / own.steps)
    found = {name: statistics.median(spent) for name, spent in taken.items()}
    busy = gpu.busy_seconds(partial(runs["captured"], PROFILED)) / PROFILED
    peak = peak_memory(gpu.device)
    limits = _limits(gpu, step, batches, run)
    return {
        "seconds": found,
        "rows_per_second": {name: size / spent for name, spent in found.items()},
        "busy": busy / found["captured"],
        "limits": limits,
        "times_the_limit": found["captured"] / max(limits["products"], limits["memory"]),
        "features": own.features,
        "batch_size": size,
        "peak_memory_bytes": peak,
    }


class _Endless:
    """The steps of successive epochs."""

    def __init__(self, loop: TrainingLoop) -> None:
        self.loop, self.epoch = loop, 0
        loop.begin(0, 0)

    def __call__(self, steps: int) -> None:
        for _ in range(steps):
            if self.loop.done == self.loop.batches.steps:
                self.epoch += 1
                self.loop.begin(0, self.epoch)
            self.loop()


def _limits(gpu: Gpu, step: Step, batches: Batches, run: RunSettings) -> Figures:
    """Return the seconds of the step's products by themselves, and of its bytes at the rate of a
    copy."""
    with Products() as products:
        step(next(batches.epoch(0, 0)))
    copy, copied = large_copy(gpu.device)
    moved = least_bytes(step.model, batches.batch_size, batches.slots, run.optimizer.states())
    return {
        "products": _captured_seconds(gpu, products) if products.calls else 0.0,
        "memory": moved * _captured_seconds(gpu, copy) / copied,
        "bytes": moved,
    }


def _captured_seconds(gpu: Gpu, work: Work) -> float:
    """Return the seconds of captured work, without the cost of its launches."""
    replay = without_launches(work, gpu.graph)
    replay()
    taken = measure_seconds(lambda: [replay() for _ in range(gpu.repeats)], gpu.device)
    return taken / gpu.repeats


class Epochs:
    """Epochs of models without crosses, at Criteo's size, all on the same rows."""

    def __init__(self, gpu: Gpu, own: GpuSettings) -> None:
        self.gpu, self.own = gpu, own
        self.made = synthetic_schema(own.features, crossed=False)
        self.batches = cache(self._make)

    def _make(self, size: int) -> tuple[Batches, Batches]:
        """Return batches to train and to evaluate on."""
        counts = self.own.rows, max(1, self.own.rows // VALID)
        parts = (
            rows.synthetic_rows(self.made, n, i, self.gpu.device) for i, n in enumerate(counts)
        )
        train, valid = (Batches(part, size, self.gpu.device) for part in parts)
        return train, valid

    def __call__(self, run: RunSettings) -> Figures:
        """Return the seconds of the first epoch, in which the step is captured, and of the next."""
        gpu = self.gpu
        train, valid = self.batches(run.trainer.batch_size or BATCH)
        reset_peak_memory(gpu.device)
        step = gpu.step(run, self.made)
        trainer, progress = self._trained(run, step, train, valid)
        first, both = (line["train_seconds"] for line in progress.history)
        step.model.train()
        busy = gpu.busy_seconds(partial(_Endless(trainer.loop), PROFILED)) / PROFILED
        return {
            "rows": train.rows,
            "steps": train.steps,
            "batch_size": train.batch_size,
            "first_seconds": first,
            "seconds": both - first,
            "rows_per_second": train.rows / (both - first),
            "busy": busy * train.steps / (both - first),
            "evaluate_seconds": progress.evaluate_seconds / EPOCHS,
            "valid_rows": valid.rows,
            "valid_auc": progress.history[-1]["valid_auc"],
            "peak_memory_bytes": peak_memory(gpu.device),
        }

    def _trained(
        self, run: RunSettings, step: Step, train: Batches, valid: Batches
    ) -> tuple[Trainer, Progress]:
        settings = replace(run.trainer, epochs=EPOCHS, eval_every=None, patience=10**6)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.pt"
            trainer = self.gpu.trainer(run, step, train, valid, settings, path, self.gpu.captured)
            return trainer, trainer.fit(lambda rows: None, lambda history: None)
