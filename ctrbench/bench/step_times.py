"""Figure 6 of the DeepFM paper: the training step of each model over LR's, all in turn."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ctrbench.bench.measurement import measure
from ctrbench.bench.models import describe_measurement, one_of_each, write_figures
from ctrbench.config.compose import without_tuned_values
from ctrbench.config.grammar import single_valued, values_of
from ctrbench.config.keys import drop_key, key_of, keys_of
from ctrbench.config.settings import RunSettings
from ctrbench.config.suggestions import suggesting_keys
from ctrbench.config.verb_settings import BenchSettings, Experiment, bench_settings
from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.results import STEP_TIMES, Results
from ctrbench.sweep.jobs import plan_run
from ctrbench.version import __version__


@dataclass(frozen=True)
class Steps:
    """A planned measurement: checked settings."""

    name: str
    title: str
    runs: list[RunSettings]
    own: BenchSettings


@suggesting_keys(BenchSettings, "bench.")
def plan_steps(name: str, experiment: Experiment, words: list[str]) -> Steps:
    """Plan the experiment's models, or those that ``model=`` names, with LR before them and FM
    before FNN, all of the sizes that the experiment states."""
    one_value = single_valued(words)
    for word in words:
        if word not in one_value and key_of(word) != "model":
            raise UserError(f"{word}: {name} measures one setting; only model= may be a list")
    given = keys_of(words)
    stated = [f"{key}={value}" for key, value in experiment.sweep.items() if key not in given]
    sizes = drop_key("model", [*stated, *words])
    own = bench_settings([word for word in sizes if word.startswith("bench.")])
    rest = [word for word in sizes if not word.startswith("bench.")]
    runs = [
        plan_run(
            without_tuned_values(
                [f"experiment={name}", f"model={model}", *_overrides_for(model, rest)]
            )
        ).settings
        for model in _models(experiment, values_of("model", words))
    ]
    one_of_each(runs)
    Results(runs[0].results).check()
    return Steps(name, experiment.title or name, runs, own)


def _models(experiment: Experiment, wanted: list[str]) -> list[str]:
    """Return the models in the registry's order."""
    known = registry.names()
    named = {"lr", *(wanted or registry.having(experiment.models))}
    if any(model in known and registry.properties_of(model).pretraining for model in named):
        named.add("fm")
    return sorted(named, key=lambda model: known.index(model) if model in known else len(known))


def _overrides_for(model: str, words: list[str]) -> list[str]:
    """Return the overrides that apply to a model: one of ``model.`` applies to the models that have
    its key, and to all, to be refused, if none has."""
    known = registry.settings_of()

    def has(name: str, word: str) -> bool:
        key = key_of(word).removeprefix("model.")
        return key in {field.name for field in dataclasses.fields(known[name])}

    return [
        word
        for word in words
        if not key_of(word).startswith("model.")
        or model not in known
        or has(model, word)
        or not any(has(name, word) for name in known)
    ]


def measure_steps(steps: Steps) -> tuple[str, Path]:
    """Measure, and write ``step_times.json`` into the folder of the experiment's report.

    Returns:
        What was measured on, in words; the path of the file.
    """
    figures = measure(steps.runs, steps.own)
    figures["title"] = steps.title
    figures["versions"] = {"ctrbench": __version__, "numpy": np.__version__}
    by_name = {one["model"]: one for one in figures["models"]}
    for one, run in zip(figures["models"], steps.runs, strict=True):
        one["settings"] = dataclasses.asdict(run.model)
        one["optimizer"] = run.optimizer.name
        one["starts_from"] = run.pretraining.model.name if run.pretraining is not None else None
        if one["starts_from"] in by_name:
            one["pretrain_time_over_lr"] = by_name[one["starts_from"]]["time_over_lr"]
    path = write_figures(figures, steps.runs[0], f"{steps.name}/{STEP_TIMES}")
    return describe_measurement(figures), path
