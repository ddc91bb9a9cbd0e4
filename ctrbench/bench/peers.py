"""Our training and that of other packages, measured in turn on the same rows.

The step alone is that on batches which lie ready; the epoch is whole, with each package's own
loader, ours from the files of a store, on a CPU. All train by Adam without L2, but our LR, which
has FTRL; the peers know float32 alone.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctrbench.bench.measurement import BATCH, WARM_UP, count_as_late
from ctrbench.bench.models import describe_measurement, plan_measurement, write_figures
from ctrbench.bench.synthetic import FIELDS, endless_batches, synthetic_part, synthetic_schema
from ctrbench.bench.timings import Timings, ratio_quartiles
from ctrbench.config.keys import keys_of
from ctrbench.config.settings import RunSettings
from ctrbench.config.verb_settings import BenchSettings
from ctrbench.data.batches import Batch, Batches
from ctrbench.data.schema import Schema
from ctrbench.data.store.opened import Part
from ctrbench.errors import UserError
from ctrbench.machine import environment, reuse_memory, use_threads
from ctrbench.markdown import markdown
from ctrbench.models import registry as models
from ctrbench.optim import registry as optimizers
from ctrbench.training.step import Step

MODELS = "lr,fm,deepfm"
PACKAGES = {"fuxictr": "FuxiCTR", "deepctr-torch": "DeepCTR-Torch"}
CPU = torch.device("cpu")


def check_peers() -> dict[str, str]:
    """Return the versions of the other packages."""
    try:
        return {package: version(package) for package in PACKAGES}
    except PackageNotFoundError as error:
        raise UserError(
            f"{error.name} is not installed; bench peers needs pip install 'ctrbench[peers]'"
        ) from None


def bench_peers(words: list[str]) -> str:
    """Return a table of steps and epochs; write ``bench/peers_PRECISION.json`` below the
    reports."""
    versions = check_peers()
    runs, own = plan_measurement(
        words if "model" in keys_of(words) else [f"model={MODELS}", *words]
    )
    if runs[0].device.startswith("cuda"):
        raise UserError(f"device={runs[0].device}: bench peers compares on a CPU; device=cpu")
    for run in runs:
        _refuse_unsupported(run)
    reuse_memory()
    use_threads(runs[0].threads)
    schema = synthetic_schema(own.features, crossed=False)
    batch_size = runs[0].trainer.batch_size or BATCH
    with tempfile.TemporaryDirectory() as folder, _silence_logging():
        part = synthetic_part(schema, own.rows, "real-like", Path(folder))
        found = [
            _Compared(run, schema, part, batch_size).figures(own, Path(folder)) for run in runs
        ]
    figures = {
        "fields": FIELDS,
        "features": own.features,
        "rows": own.rows,
        "batch_size": batch_size,
        "rounds": own.rounds,
        "epochs": own.epochs,
        "environment": environment(CPU, runs[0].precision),
        "versions": versions | {"numpy": np.__version__},
        "models": found,
    }
    path = write_figures(figures, runs[0], f"bench/peers_{runs[0].precision}.json")
    return f"{peers_text(figures)}\n{path}"


def _refuse_unsupported(run: RunSettings) -> None:
    """Refuse options that the other packages would not follow, of a model that they have."""
    trainer, model = run.trainer, run.model
    if model.name not in MODELS.split(","):
        return
    ours = {
        "trainer.clip_norm": trainer.clip_norm is not None,
        "trainer.ema": trainer.ema is not None,
        "model.batch_norm": bool(getattr(model, "batch_norm", False)),
    }
    for key, is_set in ours.items():
        if is_set:
            raise UserError(f"{key}: the other packages train without it here; leave it out")
    trained_by = ("ftrl", "adam") if model.name == "lr" else ("adam",)
    if run.optimizer.name not in trained_by:
        raise UserError(
            f"optimizer={run.optimizer.name}: model={model.name} of the other packages is trained "
            "by Adam here; give optimizer=adam"
        )


@contextmanager
def _silence_logging() -> Iterator[None]:
    """Silence FuxiCTR, which logs to the root logger."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Ours:
    """Our model, its step and its epoch, with what a peer has."""

    name = "ours"

    def __init__(self, run: RunSettings, schema: Schema, part: Part, batch_size: int) -> None:
        self.run, self.part, self.batch_size = run, part, batch_size
        torch.manual_seed(run.seed)
        model = models.build(schema, run.model).train()
        optimizer = optimizers.build(model, run.optimizer)
        self.step = Step.from_settings(run.trainer, model, optimizer, run.precision)

    def batch(self, batch: Batch) -> Batch:
        return batch

    def epoch(self, folder: Path) -> Callable[[], None]:
        """Train from the store's files to the last step."""
        del folder

        def run() -> None:
            for batch in Batches(self.part, self.batch_size, CPU).epoch(self.run.seed, 0):
                self.step(batch)

        return run


class _Compared:
    """A model of ours and those of the peers that have it."""

    def __init__(self, run: RunSettings, schema: Schema, part: Part, batch_size: int) -> None:
        from ctrbench.bench.deepctr import DeepCTRTorch
        from ctrbench.bench.fuxictr import FuxiCTR

        peers = (FuxiCTR, DeepCTRTorch)
        self.model = run.model.name
        self.lacking = [peer.name for peer in peers if self.model not in peer.models]
        kinds: list[Any] = [_Ours, *(peer for peer in peers if self.model in peer.models)]
        self.sides = {kind.name: kind(run, schema, part, batch_size) for kind in kinds}
        self.batches = Batches(part, batch_size, CPU)
        self.seed = run.seed
        self.timed = Timings(CPU)

    def figures(self, own: BenchSettings, folder: Path) -> dict[str, Any]:
        """Steps in turn, then epochs in turn."""
        feed = endless_batches(self.batches, self.seed)
        for _ in range(WARM_UP):
            self._round(feed, kept=False)
        count_as_late(self.sides["ours"].step.optimizer)
        for _ in range(own.rounds):
            self._round(feed, kept=True)
        epochs = {name: side.epoch(folder) for name, side in self.sides.items()}
        for _ in range(own.epochs):
            for name, epoch in epochs.items():
                self.timed.timed(f"epoch, {name}", epoch)
        return {
            "model": self.model,
            "lacking": self.lacking,
            "seconds": self.timed.spreads(),
            **{f"{what}_rows_per_second": self._rates(what) for what in ("step", "epoch")},
            **{f"{what}_over_ours": self._ratios(what) for what in ("step", "epoch")},
        }

    def _round(self, feed: Iterator[Batch], *, kept: bool) -> None:
        """Measure a step of each on the same rows, after one that brings it back into the
        caches."""
        first, second = next(feed), next(feed)
        for name, side in self.sides.items():
            side.step(side.batch(first))
            batch = side.batch(second)
            if kept:
                self.timed.timed(f"step, {name}", partial(side.step, batch))
            else:
                side.step(batch)

    def _rates(self, what: str) -> dict[str, float]:
        rows = self.batches.batch_size if what == "step" else self.batches.rows
        return {name: rows / self.timed.middle(f"{what}, {name}") for name in self.sides}

    def _ratios(self, what: str) -> dict[str, dict[str, float]]:
        """Return the times of a peer over ours, pair by pair."""
        ours = self.timed.times[f"{what}, ours"]
        return {
            name: ratio_quartiles(self.timed.times[f"{what}, {name}"], ours)
            for name in self.sides
            if name != "ours"
        }


def peers_text(figures: dict[str, Any]) -> str:
    """Return the table, with what was measured and what differs."""
    versions = ", ".join(f"{PACKAGES.get(k, k)} {v}" for k, v in figures["versions"].items())
    lacking = [
        f"{name} has no {one['model']}" for one in figures["models"] for name in one["lacking"]
    ]
    precision = figures["environment"]["precision"]
    in_fp32 = "" if precision == "fp32" else f"; ours in {precision}, the others in fp32"
    return "\n".join(
        [
            f"{describe_measurement(figures)}, {versions}",
            "",
            markdown([row for one in figures["models"] for row in peer_rows(one)]),
            "",
            f"a step is the median of {figures['rounds']} rounds, an epoch of {figures['rows']:,} "
            f"rows with each package's own loader of {figures['epochs']}; ratios are medians of "
            "pairs of a round; LR is trained by Adam there, by FTRL here unless optimizer=adam is "
            "given; FuxiCTR clips gradients to norm 10, as its fit does by default, ours does not "
            f"clip{in_fp32}",
            *lacking,
        ]
    )


def peer_rows(one: dict[str, Any]) -> list[dict[str, str]]:
    """Return a model's rows of the table: ours, then each peer that has it."""
    rows = []
    for name, rate in one["step_rows_per_second"].items():
        row = {"model": one["model"], "package": name}
        for what in ("step", "epoch"):
            seconds = one["seconds"][f"{what}, {name}"]["median"]
            ratio = one[f"{what}_over_ours"].get(name, {"median": 1.0})["median"]
            rate = one[f"{what}_rows_per_second"][name]
            row |= {
                f"{what}": f"{1e3 * seconds:,.1f} ms" if what == "step" else f"{seconds:.2f} s",
                f"{what} rows/s": f"{rate:,.0f}",
                f"{what} / ours": f"{ratio:.2f}",
            }
        rows.append(row)
    return rows
