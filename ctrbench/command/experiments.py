"""Experiments: Hydra overlays that name the runs of a table or figure, or what stands for them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ctrbench.command.composition.compose import UNTUNED, choices, compose
from ctrbench.command.composition.explain import plain
from ctrbench.command.composition.grammar import fixed, values_of
from ctrbench.command.recipes import folders, recipes
from ctrbench.command.settings import Experiment
from ctrbench.command.sweep.estimates import Estimates
from ctrbench.command.sweep.launch import every_job, jobs, launch, naming, plan, plan_sweep
from ctrbench.errors import UserError
from ctrbench.progress import duration
from ctrbench.runs.record import Results
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
    own = [word for word in words if word.startswith(OWN)]
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


def _needed(name: str, experiment: Experiment, words: list[str]) -> str | None:
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
    if (needed := _needed(name, experiment, words)) is not None:
        by = experiment.recipes
        why = "whose rows it is about" if by is None else f"which {by.upper()} has recipes for"
        raise UserError(f"{name} takes {needed}, {why}")
    given = {word.partition("=")[0] for word in words}
    swept = [key for key in experiment.sweep if key.startswith("model.") and key not in given]
    for model in values_of("model", words) if swept else ():
        options = compose([f"model={model}", *UNTUNED]).model
        for key in swept:
            if key.removeprefix("model.") not in options:
                raise UserError(f"model={model}: {name} sweeps {key}, which {model} does not have")


def sweep_overrides(name: str, experiment: Experiment, words: list[str]) -> list[str]:
    """The words of an experiment's sweep; what the user gives takes the place of its axes. Models
    that read a history are left out where the data has none.
    """
    given = {word.partition("=")[0] for word in words}
    _refuse_unfit(name, experiment, words)
    axes = dict(experiment.sweep)
    if experiment.recipes is not None and "recipe" not in given:
        found, words = recipes(experiment.recipes, words)
        axes = {"recipe": found} | axes
    if experiment.models and "model" not in given:
        # what is mistyped is refused before torch is imported
        own = [f"experiment={name}", *fixed(words)]
        base = compose([word for word in own if not word.startswith("model.")])
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


def listing(words: list[str], *, by_steps: bool) -> str:
    """What can be reproduced under a command's words, the number of its runs and their time.

    Args:
        by_steps: whether a few steps of what has no finished run are timed.
    """
    estimates = Estimates(by_steps)
    base = compose([w for w in fixed(words) if not w.startswith("model")])
    may_know = partial(estimates.may_know, Results(base.results), base.data.name)
    models: dict[str, float | None] = {}
    lines = [f"{'experiment':14}{'runs':>6}{'time':>14}  "]
    for name in sorted(choices("experiment"), key=_by_number):
        try:
            experiment = find_experiment(name, words)
            if (needed := _needed(name, experiment, words)) is not None:
                lines.append(f"{name:14}{'-':>6}{'-':>14}  needs {needed}")
                continue
            runs = _models_of_runs(name, experiment, words)
            for model in runs.keys() - models.keys():
                others = [word for word in fixed(words) if not word.startswith("model=")]
                one = [f"experiment={name}", f"model={model}", *others]
                models[model] = estimates.seconds(plan(one)) if may_know(model) else None
        except UserError as error:  # one's own, half written: the others are listed all the same
            lines.append(f"{name:14}{'-':>6}{'-':>14}  {error}")
            continue
        taken = _total({model: models[model] for model in runs}, runs)
        lines.append(f"{name:14}{runs.total():>6}{taken:>14}  {experiment.title}")
    return "\n".join([*lines, TIMES])


def _by_number(name: str) -> tuple[str, int]:
    word = name.rstrip("0123456789")
    return word, int(name[len(word) :] or 0)


TIMES = """
Times: the runs one after the other, as finished runs on this data took. ?: there are none of some
models; --trial prepares the data and times a few steps of each (10 epochs are taken for a run)."""


def _models_of_runs(name: str, experiment: Experiment, words: list[str]) -> "Counter[str]":
    """How many runs an experiment makes of each model."""
    if experiment.measure is not None:
        return Counter()
    made = every_job(sweep_overrides(name, experiment, words))
    if any(word.startswith("model.") for word in words):  # which none but a model can refuse
        with naming(made[0]):
            compose(made[0].overrides)
    keys = ("model=", "recipe=")
    named = [word for job in made for word in job.overrides if word.startswith(keys)]
    return Counter(word.partition("=")[2].rpartition("/")[2] for word in named)


def _total(seconds: dict[str, float | None], runs: "Counter[str]") -> str:
    known = {model: taken for model, taken in seconds.items() if taken is not None}
    if not runs:
        return "no runs"
    more = "" if len(known) == len(runs) else " + ?" if known else "?"
    said = duration(sum(runs[model] * taken for model, taken in known.items()))
    return f"{said if known else ''}{more}"


def dry_run(name: str, words: list[str], *, by_steps: bool) -> str:
    """The runs of an experiment: which are done, which are left, and how long those will take."""
    experiment = find_experiment(name, words)
    if experiment.measure is not None:
        return f"{name}: has no runs; ctrbench reproduce {name} makes it at once"
    overrides = sweep_overrides(name, experiment, words)
    swept = [" ".join(job.swept) for job in jobs(overrides)]
    return _runs_of(plan_sweep(overrides), swept, Estimates(by_steps))


def _runs_of(planned: list["Planned"], swept: list[str], estimates: Estimates) -> str:
    from ctrbench.runs.frame import FINISHED, read_run  # takes pandas with it

    lines, left, unknown = [], 0.0, 0
    states = [read_run(one.directory.path)["state"] for one in planned]
    for one, words, state in zip(planned, swept, states, strict=True):
        taken = None if state == FINISHED else estimates.seconds(one)
        if state != FINISHED:
            left, unknown = left + (taken or 0), unknown + (taken is None)
            state = state if one.directory.path.exists() else "not begun"
        lines.append(f"{state:12}{'' if taken is None else duration(taken):>10}  {words}".rstrip())
    todo = len(states) - states.count(FINISHED)
    said = f"{len(states)} runs: {len(states) - todo} finished, {todo} left"
    if todo > unknown:
        said += f", about {duration(left)} one after the other"
    if unknown:
        said += f"; the time of {unknown} is not known (--trial times a few steps)"
    return "\n".join([*lines, said])
