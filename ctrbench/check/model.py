"""The verb ``check``: the checks of one model, a line each."""

import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from ctrbench.check.contract import CHECKS, CheckError, Subject
from ctrbench.config.compose import without_tuned_values
from ctrbench.config.keys import keys_of, values_by_key
from ctrbench.data.batches import Batches
from ctrbench.errors import UserError, one_line
from ctrbench.models.registry import model_class, names, properties_of
from ctrbench.optim import registry as optimizers
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.run import run
from ctrbench.sweep.jobs import plan_run
from ctrbench.training.step import Step

ROWS = 64  # of the batch that models are checked on
ROUNDS = 20
BESIDE = "deepfm"
SMALL = ["data.rows=2000", "data.vocabulary=50"]  # of planted rows
DEFAULTS = [
    *("trainer.batch_size=256", "trainer.epochs=2", "trainer.eval_every=2"),
    *("trainer.patience=100", "threads=1", "device=cpu"),
]
HISTORY = "data.history={user:user,time:time,of:[C1],length:4}"


class _StopError(Exception):
    """Ends a run in the middle, as a failure does."""


def check_model(words: list[str]) -> Iterator[str]:
    """Yield a line for each check of the model that overrides name.

    Raises:
        UserError: at the end, if a check has failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan(words, Path(folder, "whole"))
        subject = _subject(plan)
        checks: dict[str, Callable[[], str]] = {
            name: lambda check=check: check(subject)  # type: ignore[misc]
            for name, check in CHECKS.items()
        }
        checks["resume"] = lambda: _check_resume(plan, _plan(words, Path(folder, "parts")))
        failed = []
        for name, check in checks.items():
            state, text = _result(check, plan.settings.model.name)
            failed += [name] if state == "FAIL" else []
            yield f"{state:5}{name:11}{text}".rstrip()
        if not failed:
            yield f"ok   {'step':11}{_times(words, plan, subject, Path(folder, 'other'))}"
    if failed:
        checked = plan.settings.model.name
        raise UserError(f"model={checked}: {len(failed)} checks failed: {', '.join(failed)}")


def _plan(words: list[str], results: Path) -> RunPlan:
    """Return the plan of a small run of the model."""
    values = values_by_key(words)
    model = values.get("model")
    if model is None:
        raise UserError("check: name the model with model=NAME")
    own = [*(SMALL if values.get("data", "planted") == "planted" else []), *DEFAULTS]
    if model in names() and properties_of(model).sequential:
        own.append(HISTORY)
    given = keys_of(words)
    own = [word for word in own if word.partition("=")[0] not in given]
    return plan_run(without_tuned_values([*own, *words, f"results={results}"]))


def _subject(plan: RunPlan) -> Subject:
    """Return the model and its first training rows."""
    store = plan.prepare()
    part = store.part("train")
    batches = Batches(part, min(ROWS, len(part.labels_N)), torch.device("cpu"))
    return Subject(plan.settings, store.schema, next(batches.epoch(0, 0)))


def _result(check: Callable[[], str], model: str) -> tuple[str, str]:
    """Return ``ok`` or ``FAIL``, and what there is to say."""
    try:
        return "ok", check()
    except CheckError as failure:
        return "FAIL", str(failure)
    except Exception as error:  # whatever the model does
        return "FAIL", f"{type(error).__name__}: {one_line(error)}{_place(error, model)}"


def _place(error: Exception, model: str) -> str:
    """Return the last line of the model's own file that an error passed."""
    file = getattr(sys.modules[model_class(model).__module__], "__file__", None)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f" ({Path(str(file)).name}, line {lines[-1]})" if lines else ""


def _check_resume(whole: RunPlan, parts: RunPlan) -> str:
    """Require that a run that is stopped at its second evaluation goes on to the same bytes."""

    def stop(history: list[dict[str, Any]]) -> None:
        if len(history) == 2:
            raise _StopError

    run(whole)
    try:
        run(parts, stop)
    except _StopError:
        if not parts.directory.checkpoint.exists():
            raise CheckError("the run that was stopped has no checkpoint") from None
        run(parts)
    if whole.directory.weights.read_bytes() != parts.directory.weights.read_bytes():
        raise CheckError("a run that is stopped and continued ends with other weights")
    return ""


def _times(words: list[str], plan: RunPlan, subject: Subject, results: Path) -> str:
    """Return the time of a training step, and of one of DeepFM on the same rows."""
    own = _milliseconds(plan, subject)
    if plan.settings.model.name == BESIDE:
        return f"{own:.2f} ms"
    fixed = [w for w in words if not w.startswith(("model", "optimizer", "pretraining"))]
    other_plan = _plan([f"model={BESIDE}", *fixed], results)
    other = _milliseconds(other_plan, _subject(other_plan))
    return f"{own:.2f} ms, {BESIDE} {other:.2f} ms ({len(subject.batch[2])} rows)"


def _milliseconds(plan: RunPlan, subject: Subject) -> float:
    model = subject.build().train()
    step = Step(model, optimizers.build(model, plan.settings.optimizer), "fp32")
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        step(subject.batch)
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)
