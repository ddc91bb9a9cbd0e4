"""Experiments: Hydra overlays that name the runs of a table or figure, or what stands for them."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ctrbench.command.composition.compose import UNTUNED, choices, compose
from ctrbench.command.composition.explain import plain
from ctrbench.command.composition.grammar import fixed, values_of
from ctrbench.command.composition.keys import key_of, keys_of
from ctrbench.command.recipes import folders, recipes
from ctrbench.command.settings import Experiment
from ctrbench.command.sweep.launch import jobs, launch, plan, plan_sweep
from ctrbench.errors import UserError
from ctrbench.settings import nearest

if TYPE_CHECKING:
    from ctrbench.runs.planned import Planned

OWN = ("budget", "experiment.")  # words that an experiment's file may use


def find_experiment(name: str, words: list[str]) -> Experiment:
    """What an experiment says of itself, under a command's words.

    Raises:
        UserError: for one that does not exist, says what is not known, or names no runs; for words
            that do not fit.
    """
    known = choices("experiment")
    if name not in known:
        raise UserError(f"{name}: no such experiment; {nearest(name, known)}")
    own = [word for word in words if key_of(word).startswith(OWN)]
    experiment = _typed(name, compose([f"experiment={name}", *fixed(own)]).experiment)
    if not any((experiment.sweep, experiment.models, experiment.recipes, experiment.measure)):
        raise UserError(
            f"experiment/{name}.yaml: names no runs; it needs '# @package _global_' in its first "
            "line, and experiment.sweep with the values of each key"
        )
    named = {"measure": MEASURES, "recipes": folders("recipe"), "data": choices("data")}
    for key, there in named.items():
        value = getattr(experiment, key)
        if value is not None and value not in there:
            hint = nearest(value, there)
            raise UserError(f"experiment/{name}.yaml: {key}={value}: not known; {hint}")
    return experiment


def _typed(name: str, about: Any) -> Experiment:
    try:
        said = OmegaConf.to_container(about, resolve=True) if OmegaConf.is_config(about) else {}
        experiment = OmegaConf.to_object(OmegaConf.merge(Experiment, said))
    except ConfigKeyError as error:
        hint = nearest(str(error.key), [field.name for field in fields(Experiment)])
        raise UserError(f"experiment/{name}.yaml: {error.key}: no such key; {hint}") from None
    except OmegaConfBaseException as error:
        raise UserError(f"experiment/{name}.yaml: {plain(error)}") from None
    assert isinstance(experiment, Experiment)
    return experiment


def needed_data(name: str, experiment: Experiment, words: list[str]) -> str | None:
    """The data that an experiment needs, as ``data=A, B``, where the command gives others."""
    takes = [experiment.data] if experiment.data is not None else []
    if experiment.recipes is not None and not values_of("recipe", words):
        takes = folders(f"recipe/{experiment.recipes}")
    if not takes:
        return None
    default = compose([f"experiment={name}", *UNTUNED]).hydra.runtime.choices["data"]
    for data in values_of("data", words) or [default]:
        layout: Any = OmegaConf.get_type(compose([f"data={data}", *UNTUNED]).data)
        if data not in takes and layout.registered not in takes:
            return f"data={', '.join(takes)}"
    return None


def _refuse_unfit(name: str, experiment: Experiment, words: list[str]) -> None:
    """Rows that an experiment is not about, and models without an option that it sweeps."""
    if (needed := needed_data(name, experiment, words)) is not None:
        by = experiment.recipes
        why = "whose rows it is about" if by is None else f"which {by.upper()} has recipes for"
        raise UserError(f"{name} takes {needed}, {why}")
    told = keys_of(words)
    swept = [key for key in experiment.sweep if key.startswith("model.") and key not in told]
    for model in values_of("model", words) if swept else ():
        options = compose([f"model={model}", *UNTUNED]).model
        for key in swept:
            if key.removeprefix("model.") not in options:
                raise UserError(f"model={model}: {name} sweeps {key}, which {model} does not have")


def sweep_overrides(name: str, experiment: Experiment, words: list[str]) -> list[str]:
    """The words of an experiment's sweep; what the user gives takes the place of its axes. Models
    that read a history are left out where the data has none.
    """
    given = keys_of(words)
    _refuse_unfit(name, experiment, words)
    axes = dict(experiment.sweep)
    if experiment.recipes is not None and "recipe" not in given:
        found, words = recipes(experiment.recipes, words)
        axes = {"recipe": found} | axes
    if experiment.models and "model" not in given:
        # what is mistyped is refused before torch is imported
        own = [f"experiment={name}", *fixed(words)]
        base = compose([word for word in own if not key_of(word).startswith("model.")])
        from ctrbench.models.registry import able, having  # takes torch with it

        axes = {"model": able(having(experiment.models), base.data.history.user)} | axes
    own = [f"{key}={_swept(values)}" for key, values in axes.items() if key not in given]
    return [f"experiment={name}", *own, *words]


def _swept(values: Any) -> str:
    return ",".join(map(str, values)) if isinstance(values, list) else str(values)


def reproduce(name: str, words: list[str]) -> None:
    """Make the runs of an experiment, or what stands for them, and show its report.

    Raises:
        UserError: for what does not fit; at the end, with what failed.
    """
    experiment = find_experiment(name, words)
    if experiment.measure is not None:
        print(MEASURES[experiment.measure](name, experiment, words))
        return
    overrides = sweep_overrides(name, experiment, words)
    planned = plan_sweep(overrides)
    planned[0].results.check()
    failed = None
    try:
        launch(overrides, planned)
    except UserError as error:  # the other runs have a report all the same
        failed = error
    if any(run.directory.result() is not None for run in planned):
        print(_report(name, experiment, planned))
    if failed is not None:
        raise failed


def _report(name: str, experiment: Experiment, planned: list["Planned"]) -> str:
    from ctrbench.command.composition.again import words_of
    from ctrbench.report.report import write_report
    from ctrbench.report.step_times import find_step_times

    title = report_title(name, experiment, planned[0].settings.budget.name)
    begun = [run.directory.path for run in planned if run.directory.path.exists()]
    results = planned[0].results
    steps = find_step_times([], results)
    pivot = experiment.pivot
    return write_report(begun, results.report(name), title, pivot, steps=steps, again=words_of)


def report_title(name: str, experiment: Experiment, budget: str) -> str:
    """Of its report: a small budget is said before everything else."""
    title = experiment.title or name
    return title if budget == "none" else f"{title} (budget={budget})"


def _properties(name: str, experiment: Experiment, words: list[str]) -> str:
    from ctrbench.report.properties import write_properties

    planned = [plan(job.overrides) for job in jobs(sweep_overrides(name, experiment, words))]
    models = list(dict.fromkeys(one.settings.model.name for one in planned))
    title = report_title(name, experiment, "none")
    return write_properties(models, planned[0].results.report(name), title)


def _step_times(name: str, experiment: Experiment, words: list[str]) -> str:
    from ctrbench.command.bench.step_times import measure_steps, planned_steps

    return measure_steps(planned_steps(name, experiment, words))


# What an experiment makes in place of runs, by its name in experiment.measure: takes the
# experiment's name, what it says of itself and the command's words; returns what is printed.
MEASURES: dict[str, Callable[[str, Experiment, list[str]], str]] = {
    "properties": _properties,
    "step_times": _step_times,
}
