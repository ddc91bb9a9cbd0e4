"""Check that a GPU trains what a CPU trains. Each check is of one model, on small rows.

Floats of two machines differ by rounding, and Adam's first steps have the size of the learning rate
however small a gradient is: weights are compared by how far they moved, in the norm of all of them.
Bytes are compared where the same device does the same work twice.
"""

import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ctrbench.bench.gpu import rows
from ctrbench.bench.gpu.device import Gpu
from ctrbench.bench.synthetic import synthetic_schema
from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batches
from ctrbench.data.schema import Schema
from ctrbench.data.store.opened import Part
from ctrbench.training.cuda_graph import WARM_UP, CapturedLoop
from ctrbench.training.step import Step, TrainingLoop, logits
from ctrbench.training.trainer import MakeLoop

FEATURES, BATCH, EPOCHS, STEPS = 2_000, 128, 4, 5
ROUNDING, MOVED = 1e-4, 1e-2  # relative differences that are allowed
PLACES = ("device", "host", "disk")
Figures = dict[str, Any]
Check = Callable[[Gpu, RunSettings], Figures]
Weights = list[Tensor]


class CheckError(Exception):
    """The failure of a check, in one line."""


def as_on_a_cpu(gpu: Gpu, run: RunSettings) -> Figures:
    """Compare logits, gradients and a few steps in float32, without dropout, with a CPU's."""
    made, part = _small(gpu, run)
    run = replace(run, precision="fp32", model=_without_dropout(run.model))
    found = []
    for device in (gpu.device, torch.device("cpu")):
        step = gpu.step(run, made, device)
        batches = Batches(part, BATCH, device)
        epoch = batches.epoch(0, 0)
        first, start = next(epoch), _weights(step)
        with torch.no_grad():
            logits_B = logits(step.model, first[0], first[1], "fp32").cpu()
        step.backward(step.forward(first))
        gradients = [_dense(p.grad) for p in step.model.parameters()]
        for _ in range(STEPS):
            step(next(epoch))
        moved = [w - s for w, s in zip(_weights(step), start, strict=True)]
        found.append(([logits_B], gradients, moved))
    names = ("logits", "gradients", "steps")
    apart = {name: _relative_distance(*pair) for name, *pair in zip(names, *found, strict=True)}
    for name, allowed in zip(names, (ROUNDING, ROUNDING, MOVED), strict=True):
        _demand(apart[name] <= allowed, f"{name} differ from a CPU's by {apart[name]:.1e}")
    return apart


def captured_as_plain(gpu: Gpu, run: RunSettings) -> Figures:
    """Compare some hundred replayed steps with plain ones, dropout and evaluations included."""
    plain, replayed = (_train(gpu, run, make_loop) for make_loop in (TrainingLoop, gpu.captured))
    apart = _relative_distance(replayed.moved, plain.moved)
    _demand(apart <= MOVED, f"after all steps the weights differ by {apart:.1e} of their way")
    same = plain.equals(replayed)
    return {"steps": replayed.steps, "weights": apart, "same_bytes": same}


def resumed(gpu: Gpu, run: RunSettings) -> Figures:
    """Compare a run resumed from a checkpoint within an epoch with one that was not stopped."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "checkpoint.pt"
        whole = _train(gpu, run, gpu.captured, keep=kept)
        again = _train(gpu, run, gpu.captured, start=kept)
    _demand(0 < again.steps < whole.steps, "it did not go on from the checkpoint")
    _demand(whole.equals(again), "other losses or weights")
    return {"steps": again.steps, "of": whole.steps}


def no_waits(gpu: Gpu, run: RunSettings) -> Figures:
    """Check that no call within a step makes the host wait for the device, plain or captured,
    wherever the rows are, and that an epoch's end does not either."""
    made, part = _small(gpu, run)
    step = gpu.step(run, made)
    loops: list[TrainingLoop] = [TrainingLoop(step, Batches(part, BATCH, gpu.device))]
    loops += [gpu.captured(step, Batches(part, BATCH, gpu.device, place)) for place in PLACES]
    for loop in loops:
        loop.begin(0, 0, loop.batches.steps - WARM_UP - 4)
        for _ in range(WARM_UP + 1):
            loop()
        try:
            with gpu.no_waits():
                for _ in range(3):
                    loop()
                if isinstance(loop, CapturedLoop):
                    loop.begin(0, 1)
                    for _ in range(3):
                        loop()
        except RuntimeError as error:
            raise CheckError(
                f"rows in {loop.batches.rows_in}: {str(error).splitlines()[0]}"
            ) from None
    return {"loops": len(loops)}


def from_everywhere(gpu: Gpu, run: RunSettings) -> Figures:
    """Check that rows in the device's memory, the host's and on disk give the same weights."""
    trained = [_train(gpu, run, gpu.captured, place=place) for place in PLACES]
    for place, one in zip(PLACES, trained, strict=True):
        _demand(trained[0].equals(one), f"rows in {place} give other weights than on the device")
    return {}


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        as_on_a_cpu,
        captured_as_plain,
        resumed,
        no_waits,
        from_everywhere,
    )
}


@cache
def _rows(count: int, made: Schema) -> Part:
    return rows.synthetic_rows(made, count, 0, torch.device("cpu"))


def _small(gpu: Gpu, run: RunSettings) -> tuple[Schema, Part]:
    made = synthetic_schema(
        FEATURES, crossed=run.model.crossing() is not None, history=run.data.history
    )
    return made, _rows(gpu.rows_of_checks, made)


def _without_dropout(model: Any) -> Any:
    kinds = [name for name in vars(model) if name.endswith("dropout")]
    return replace(model, **{name: 0.0 for name in kinds if getattr(model, name) is not None})


@dataclass
class _Trained:
    """The outcome of a training: steps, evaluations without times, last weights, and how far they
    moved."""

    steps: int
    lines: list[dict[str, Any]]
    weights: Weights
    moved: Weights

    def equals(self, other: "_Trained") -> bool:
        """Compare every byte."""
        same = all(map(torch.equal, self.weights, other.weights))
        return same and self.lines == other.lines


def _train(
    gpu: Gpu,
    run: RunSettings,
    make_loop: MakeLoop,
    *,
    place: str = "device",
    keep: Path | None = None,
    start: Path | None = None,
) -> _Trained:
    """Train some epochs.

    Args:
        keep: where the checkpoint of the first evaluation, amid an epoch, is copied to.
        start: a checkpoint to go on from.
    """
    made, part = _small(gpu, run)
    step, batches = gpu.step(run, made), Batches(part, BATCH, gpu.device, place)
    every = batches.steps * 2 // 5
    settings = replace(run.trainer, epochs=EPOCHS, eval_every=every, patience=10**6)
    first = _weights(step)
    last: Weights = []
    done: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        if start is not None:
            shutil.copy(start, path)
        trainer = gpu.trainer(run, step, batches, batches, settings, path, make_loop)

        def record(history: list[dict[str, Any]]) -> None:
            last[:] = _weights(step)
            if len(history) == 2 and keep is not None:
                shutil.copy(path, keep)

        history = trainer.fit(done.append, record).history
    lines = [{k: v for k, v in line.items() if k != "train_seconds"} for line in history]
    moved = [w - s for w, s in zip(last, first, strict=True)]
    return _Trained(len(done), lines, last, moved)


def _weights(step: Step) -> Weights:
    """Return copies of the weights on the CPU."""
    return [w.detach().cpu().clone() for w in step.model.state_dict().values()]


def _dense(grad: Tensor | None) -> Tensor:
    assert grad is not None
    return (grad.to_dense() if grad.is_sparse else grad).cpu()


def _relative_distance(ours: Weights, expected: Weights) -> float:
    """Return the norm of the difference over the norm of the expected values, of all weights
    together."""
    apart = math.hypot(
        *(float((a - b).double().norm()) for a, b in zip(ours, expected, strict=True))
    )
    size = math.hypot(*(float(b.double().norm()) for b in expected))
    return apart / size if apart else 0.0  # LR's first logits are all zero


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckError(otherwise)
