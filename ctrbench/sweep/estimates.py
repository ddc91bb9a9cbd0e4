"""Estimate how long runs will take on this machine, from finished runs or from a few steps."""

import json
import statistics
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.results import Results
from ctrbench.runs.record import RunDirectory
from ctrbench.settings import digest

if TYPE_CHECKING:
    from ctrbench.runs.plan import RunPlan

WARM_UP, STEPS = 4, 10  # on a GPU the fourth is recorded
EPOCHS = 10  # of a run that was never made; fewer where trainer.epochs is lower
FORWARD = 1 / 3  # of a step's work, the backward pass being twice the forward one


@dataclass
class Estimates:
    """Estimates of the seconds of runs in one results folder.

    Args:
        by_steps: whether to time a few steps of what no finished run tells of.
    """

    by_steps: bool = False

    def __post_init__(self) -> None:
        self.finished: dict[Any, list[dict[str, Any]]] = {}
        self.told: dict[str, float | None] = {}

    def may_know(self, results: Results, data: str, model: str) -> bool:
        """Return whether an estimate may exist; planning a run to ask for it takes a while."""
        runs = results.run(data, model, "any").parent
        return self.by_steps or runs.is_dir() or results.trials.exists()

    def seconds(self, plan: "RunPlan") -> float | None:
        """Return the seconds of a run; None if nothing is known. Runs that differ only in their
        seed are estimated once.

        Of the finished runs of its model and data set those count whose settings are nearest, by
        their rows where these are others.
        """
        key = digest(
            {name: value for name, value in plan.identity_settings.items() if name != "seed"}
        )
        if key not in self.told:
            self.told[key] = self._of_finished(plan) or self._of_steps(plan, key)
        return self.told[key]

    def _of_finished(self, plan: "RunPlan") -> float | None:
        known = self._finished(plan)
        if not known:
            return None
        own = dict(_flat(plan.identity_settings))
        distances = [_distance(own, dict(_flat(one["settings"]))) for one in known]
        least = min(distances)
        nearest = [one for one, far in zip(known, distances, strict=True) if far == least]
        return statistics.mean(_scaled(one, plan) for one in nearest)

    def _finished(self, plan: "RunPlan") -> list[dict[str, Any]]:
        """Return the results of its model and data set, read once."""
        folder = plan.directory.path.parent
        if folder not in self.finished:
            self.finished[folder] = list(_results_in(folder))
        return self.finished[folder]

    def _of_steps(self, plan: "RunPlan", key: str) -> float | None:
        """Return the seconds as its steps took them, timed before or now."""
        path = plan.results.trials
        kept: dict[str, float] = {}
        with suppress(OSError, ValueError):
            kept = json.loads(path.read_text())
        if key not in kept and self.by_steps:
            kept[key] = Trial(plan).seconds
            write_atomic(path, json.dumps(kept, indent=1) + "\n")
        return kept.get(key)


def _results_in(folder: Any) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*/result.json")):
        with suppress(UserError, OSError):  # the report tells of it
            result = RunDirectory(path.parent).result()
            if result is not None and "settings" in result:
                yield result


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif key != "seed":
            yield prefix + key, json.dumps(value, default=str)


def _distance(own: dict[str, str], other: dict[str, str]) -> int:
    """Return the number of settings in which two runs differ."""
    return sum(own.get(key) != other.get(key) for key in own.keys() | other.keys())


def _scaled(result: dict[str, Any], plan: "RunPlan") -> float:
    spent = result["seconds"]
    total: float = spent["train"] + spent["evaluate"] + spent["pretrain"]
    rows = getattr(plan.settings.data, "rows", None)  # of rows that are made
    return total if rows is None else total * rows / sum(result["dataset"]["rows"].values())


class Trial:
    """A few timed steps of a run on its own rows, which are prepared if necessary."""

    def __init__(self, plan: "RunPlan") -> None:
        self.plan = plan
        self.store = plan.prepare()

    @cached_property
    def seconds(self) -> float:
        """The seconds of the run at :data:`EPOCHS` epochs, its pre-training run included."""
        settings, rows = self.plan.settings, self.store.summary()["rows"]
        evaluated = (rows["valid"] / rows["train"]) * FORWARD
        epochs = min(settings.trainer.epochs, EPOCHS)
        steps = rows["train"] / settings.trainer.rows_of_step(rows["train"])
        stage = self.plan.pretraining
        first = 0.0 if stage is None else Trial(stage).seconds
        return first + float(epochs * steps * self.seconds_per_step() * (1 + evaluated))

    def seconds_per_step(self) -> float:
        """Return the median seconds of a few steps after a warm-up."""
        import torch

        from ctrbench.data.batches import Batches, choose
        from ctrbench.data.split import PARTS
        from ctrbench.machine import resolve_device, reuse_memory, use_threads
        from ctrbench.models import registry as models
        from ctrbench.optim import registry as optimizers
        from ctrbench.timing import measure_seconds
        from ctrbench.training.cuda_graph import make_training_loop
        from ctrbench.training.step import Step

        settings = self.plan.settings
        device = resolve_device(settings.device)
        use_threads(settings.threads)
        reuse_memory()
        torch.manual_seed(settings.seed)
        model = models.build(self.store.schema, settings.model).to(device).train()
        optimizer = optimizers.build(model, settings.optimizer)
        step = Step.from_settings(settings.trainer, model, optimizer, settings.precision)
        parts = [self.store.part(name) for name in PARTS]
        batch_size = settings.trainer.rows_of_step(len(parts[0].labels_N))
        rows_in = choose(parts, device, settings.rows_in)
        batches = Batches(parts[0], batch_size, device, rows_in)
        steps = make_training_loop(step, batches, captured=settings.trainer.captured)
        steps.begin(settings.seed, 0)
        taken = [measure_seconds(steps, device) for _ in range(min(WARM_UP + STEPS, batches.steps))]
        return statistics.median(taken[WARM_UP:] or taken)
