"""Figure 6 of the DeepFM paper: the training step of each model over LR's, all in turn."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ctrbench import __version__
from ctrbench.command.bench.measured import measure
from ctrbench.command.bench.models import about, one_of_each, write_figures
from ctrbench.command.composition.compose import untuned
from ctrbench.command.composition.grammar import fixed, values_of
from ctrbench.command.composition.keys import key_of, keys_of, without
from ctrbench.command.composition.meant import beside
from ctrbench.command.settings import BenchSettings, Experiment, bench_settings
from ctrbench.command.sweep.launch import plan
from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.report.step_times import write_step_times
from ctrbench.runs.record import STEP_TIMES, Results
from ctrbench.runs.settings import RunSettings


@dataclass(frozen=True)
class Steps:
    """What is to be measured: checked settings."""

    name: str
    title: str
    runs: list[RunSettings]
    own: BenchSettings


@beside(BenchSettings, "bench.")
def planned_steps(name: str, experiment: Experiment, words: list[str]) -> Steps:
    """The experiment's models, or those that ``model=`` names, with LR before them and FM before
    FNN, all of the sizes that the experiment states.

    Raises:
        UserError: for a word that does not fit.
    """
    one_value = fixed(words)
    for word in words:
        if word not in one_value and key_of(word) != "model":
            raise UserError(f"{word}: {name} measures one setting; only model= may be a list")
    given = keys_of(words)
    stated = [f"{key}={value}" for key, value in experiment.sweep.items() if key not in given]
    sizes = without("model", [*stated, *words])
    own = bench_settings([word for word in sizes if word.startswith("bench.")])
    rest = [word for word in sizes if not word.startswith("bench.")]
    runs = [
        plan(untuned([f"experiment={name}", f"model={model}", *_of_model(model, rest)])).settings
        for model in _models(experiment, values_of("model", words))
    ]
    one_of_each(runs)
    Results(runs[0].results).check()
    return Steps(name, experiment.title or name, runs, own)


def _models(experiment: Experiment, wanted: list[str]) -> list[str]:
    """In the registry's order."""
    known = registry.names()
    named = {"lr", *(wanted or registry.having(experiment.models))}
    if any(model in known and registry.properties_of(model).pretraining for model in named):
        named.add("fm")
    return sorted(named, key=lambda model: known.index(model) if model in known else len(known))


def _of_model(model: str, words: list[str]) -> list[str]:
    """Those words that a model takes: one of ``model.`` goes to the models that have its key, and
    to all, to be refused, where none has."""
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


def measure_steps(steps: Steps) -> str:
    """Measure, write ``step_times.json`` into the experiment's report, and draw it there."""
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
    text = write_step_times(path)
    return f"{about(figures)}\n\n{text}"
