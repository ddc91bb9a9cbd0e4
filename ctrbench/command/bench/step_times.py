"""Figure 6 of the DeepFM paper: the training step of each model over LR's, all in turn."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from ctrbench import __version__
from ctrbench.command.bench.measured import measure
from ctrbench.command.bench.models import about, one_of_each, write_figures
from ctrbench.command.launch import jobs, plan
from ctrbench.command.settings import BenchSettings, bench_settings
from ctrbench.models import registry
from ctrbench.report.printed import published
from ctrbench.report.step_times import RESULT, write_step_times
from ctrbench.runs.settings import RunSettings

STAGE = {"fnn": "fm"}  # the model that one starts from


@dataclass(frozen=True)
class Steps:
    """What is to be measured: checked settings."""

    name: str
    title: str
    runs: list[RunSettings]
    own: BenchSettings


def planned_steps(name: str, experiment: DictConfig, words: list[str]) -> Steps:
    """The models of the paper's figure, or those that ``model=`` names, with LR before them and FM
    before FNN, all of the sizes that the experiment states.

    Raises:
        UserError: for a word that does not fit.
    """
    stated = [f"bench.{key}={value}" for key, value in (experiment.get("bench") or {}).items()]
    own = bench_settings([*stated, *(word for word in words if word.startswith("bench."))])
    sizes = [f"model.{key}={value}" for key, value in (experiment.get("model") or {}).items()]
    rest = [word for word in words if not word.startswith(("bench.", "model="))]
    wanted = [word for word in words if word.startswith("model=")]
    models = [f"model={model}" for model in _models(wanted)]
    runs = [
        plan([f"experiment={name}", model, *_of_model(model[6:], [*sizes, *rest])]).settings
        for model in models
    ]
    one_of_each(runs)
    return Steps(name, str(experiment.get("title", name)), runs, own)


def _models(wanted: list[str]) -> list[str]:
    """In the registry's order."""
    if wanted:
        named = {word[6:] for job in jobs(wanted) for word in job.overrides}
    else:
        named = set(published("deepfm_figure6")["model"])
    named |= {"lr"} | {stage for model, stage in STAGE.items() if model in named}
    known = registry.names()
    return sorted(named, key=lambda model: known.index(model) if model in known else len(known))


def _of_model(model: str, words: list[str]) -> list[str]:
    """Those words that a model takes: one of ``model.`` goes to the models that have its key, and
    to all, to be refused, where none has."""
    known = registry.settings_of()

    def has(name: str, word: str) -> bool:
        key = word.partition("=")[0].removeprefix("model.")
        return key in {field.name for field in dataclasses.fields(known[name])}

    return [
        word
        for word in words
        if not word.startswith("model.")
        or model not in known
        or has(model, word)
        or not any(has(name, word) for name in known)
    ]


def measure_steps(steps: Steps) -> str:
    """Measure, write ``step_times.json`` into the experiment's report, and draw it there."""
    figures = measure(steps.runs, steps.own)
    figures["title"] = steps.title
    figures["versions"] = {"ctrbench": __version__, "numpy": np.__version__}
    by_name = {one["model"]: one for one in figures["models"]}
    for one, run in zip(figures["models"], steps.runs, strict=True):
        one["settings"] = dataclasses.asdict(run.model)
        one["optimizer"] = run.optimizer.name
        one["starts_from"] = STAGE.get(one["model"])
        if one["starts_from"]:
            one["pretrain_time_over_lr"] = by_name[one["starts_from"]]["time_over_lr"]
    path: Path = write_figures(figures, steps.runs[0], f"{steps.name}/{RESULT}")
    text: Any = write_step_times(path)
    return f"{about(figures)}\n\n{text}"
