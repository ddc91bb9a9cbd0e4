"""Experiments: Hydra overlays that name the runs of a table or figure, or a measurement."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ctrbench.config.compose import UNTUNED, choices, compose, to_settings
from ctrbench.config.explain import explain_value
from ctrbench.config.grammar import item_text, single_valued, to_text, values_of
from ctrbench.config.keys import key_of, keys_of, values_by_key
from ctrbench.config.recipes import recipe_folders
from ctrbench.config.verb_settings import Experiment
from ctrbench.errors import UserError
from ctrbench.models.registry import able, having
from ctrbench.progress import Activity
from ctrbench.report.headlines import make_headline
from ctrbench.report.published.recipes import choose_recipes
from ctrbench.results import Results
from ctrbench.settings import nearest
from ctrbench.sweep.jobs import plan_jobs, sweep_jobs
from ctrbench.sweep.launch import launch, new_folder

if TYPE_CHECKING:
    from ctrbench.runs.plan import RunPlan

OWN = ("budget", "experiment.")  # words that an experiment's file may use


def find_experiment(name: str, words: list[str]) -> Experiment:
    """Return an experiment as it is under a command's overrides."""
    experiments = choices("experiment")
    if name not in experiments:
        raise UserError(f"{name}: no such experiment; {nearest(name, experiments)}")
    section_overrides = [word for word in words if key_of(word).startswith(OWN)]
    experiment = _typed(
        name, compose([f"experiment={name}", *single_valued(section_overrides)]).experiment
    )
    if not any((experiment.sweep, experiment.models, experiment.recipes, experiment.measure)):
        raise UserError(
            f"experiment/{name}.yaml: names no runs; it needs '# @package _global_' in its first "
            "line, and experiment.sweep with the values of each key"
        )
    named = {"measure": MEASURES, "recipes": recipe_folders("recipe"), "data": choices("data")}
    for key, allowed in named.items():
        value = getattr(experiment, key)
        if value is not None and value not in allowed:
            hint = nearest(value, allowed)
            raise UserError(f"experiment/{name}.yaml: {key}={value}: not known; {hint}")
    try:
        make_headline(experiment.headline)
    except UserError as error:
        raise UserError(f"experiment/{name}.yaml: {error}") from None
    if not set(experiment.models).isdisjoint(choices("model")):
        listed = ", ".join(experiment.models)
        raise UserError(
            f"experiment/{name}.yaml: models=[{listed}]: takes properties of models; write names "
            f"as sweep: {{model: [{listed}]}}"
        )
    return experiment


def _typed(name: str, about: Any) -> Experiment:
    try:
        section = OmegaConf.to_container(about, resolve=True) if OmegaConf.is_config(about) else {}
        experiment = OmegaConf.to_object(OmegaConf.merge(Experiment, section))
    except ConfigKeyError as error:
        hint = nearest(str(error.key), [field.name for field in fields(Experiment)])
        raise UserError(f"experiment/{name}.yaml: {error.key}: no such key; {hint}") from None
    except OmegaConfBaseException as error:
        raise UserError(f"experiment/{name}.yaml: {explain_value(error)}") from None
    assert isinstance(experiment, Experiment)
    return experiment


def needed_data(name: str, experiment: Experiment, words: list[str]) -> str | None:
    """Return the data that an experiment needs, as ``data=A, B``, if the command gives others."""
    takes = [experiment.data] if experiment.data is not None else []
    if experiment.recipes is not None and not values_of("recipe", words):
        takes = recipe_folders(f"recipe/{experiment.recipes}")
    if not takes:
        return None
    given = [compose([f"data={data}", *UNTUNED]) for data in values_of("data", words)]
    for config in given or [compose([f"experiment={name}"])]:
        layout: Any = OmegaConf.get_type(config.data)
        if not {config.hydra.runtime.choices["data"], layout.registered} & set(takes):
            return f"data={', '.join(takes)}"
    return None


def _refuse_unfit(name: str, experiment: Experiment, words: list[str]) -> None:
    """Refuse data that an experiment is not about, and models without an option that it sweeps."""
    if (needed := needed_data(name, experiment, words)) is not None:
        by = experiment.recipes
        why = "whose rows it is about" if by is None else f"which {by.upper()} has recipes for"
        raise UserError(f"{name} takes {needed}, {why}")
    keys = keys_of(words)
    swept = [key for key in experiment.sweep if key.startswith("model.") and key not in keys]
    for model in values_of("model", words) if swept else ():
        options = compose([f"model={model}", *UNTUNED]).model
        for key in swept:
            if key.removeprefix("model.") not in options:
                raise UserError(f"model={model}: {name} sweeps {key}, which {model} does not have")


def sweep_overrides(name: str, experiment: Experiment, words: list[str]) -> list[str]:
    """Return the overrides of an experiment's sweep; the user's replace its axes. Models that read
    a history are left out if the data has none."""
    keys = keys_of(words)
    _refuse_unfit(name, experiment, words)
    axes = dict(experiment.sweep)
    if experiment.recipes is not None and "recipe" not in keys:
        recipes, words = choose_recipes(experiment.recipes, words)
        axes = {"recipe": recipes} | axes
    if experiment.models and "model" not in keys:
        own = [f"experiment={name}", *single_valued(words)]
        base = compose([word for word in own if not key_of(word).startswith("model.")])
        history = base.data.history.user or base.data.sequences
        axes = {"model": able(having(experiment.models), history)} | axes
    own = [_axis(name, key, values) for key, values in axes.items() if key not in keys]
    return [f"experiment={name}", *own, *words]


def _axis(name: str, key: str, values: Any) -> str:
    """Write the values of a key as one override, a list of them as a sweep."""
    if isinstance(values, list):
        if not values:
            raise UserError(f"experiment/{name}.yaml: sweep.{key}: holds no value")
        return f"{key}={','.join(map(item_text, values))}"
    return f"{key}={values if isinstance(values, str) else to_text(values)}"


def reproduce(name: str, words: list[str]) -> None:
    """Make the runs of an experiment, or what stands for them, and show its report."""
    experiment = find_experiment(name, words)
    if experiment.measure is not None:
        print(MEASURES[experiment.measure](name, experiment, words))
        return
    overrides = sweep_overrides(name, experiment, words)
    with Activity(f"checking the runs of {name}"):
        swept = sweep_jobs(overrides)
        plans = plan_jobs(swept)
    plans[0].results.check()
    failed = None
    try:
        launch(overrides, swept, plans, new_folder(plans[0].results))
    except UserError as error:  # the other runs have a report all the same
        failed = error
    if any(run.directory.result() is not None for run in plans):
        with Activity("writing the report"):
            text = _report(name, experiment, plans)
        print(text)
    if failed is not None:
        raise failed


def _report(name: str, experiment: Experiment, plans: list["RunPlan"]) -> str:
    from ctrbench.report.report import write_report
    from ctrbench.report.section_report import ReportOptions
    from ctrbench.report.step_times import find_step_times

    title = report_title(name, experiment, plans[0].settings.budget.name)
    begun = [run.directory.path for run in plans if run.directory.path.exists()]
    results = plans[0].results
    data = dict.fromkeys(run.settings.data.name for run in plans)
    options = ReportOptions(
        steps=find_step_times([], results),
        pivot=experiment.pivot,
        question=experiment.question,
        headline=make_headline(experiment.headline),
        claims=experiment.claims,
    )
    return write_report(begun, results.report(f"{name}-{'+'.join(data)}"), title, options)


def refuse_sweep(overrides: list[str]) -> None:
    """Refuse an experiment's file in ``train`` whose sweep the overrides do not settle."""
    names = values_of("experiment", overrides)
    keys = keys_of(overrides)
    section_overrides = [word for word in overrides if key_of(word).startswith(OWN)]
    for name in names:
        section = compose([f"experiment={name}", *single_valued(section_overrides)]).get(
            "experiment"
        )
        experiment = _typed(name, section) if section is not None else Experiment()
        axes = {*experiment.sweep}
        axes |= {"model"} if experiment.models else set()
        axes |= {"recipe"} if experiment.recipes else set()
        if experiment.measure is not None or axes - keys:
            missing = f" over {', '.join(sorted(axes - keys))}" if axes - keys else ""
            raise UserError(
                f"experiment={name}: is a sweep{missing}; run it with ctrbench reproduce {name}"
            )


def report_title(name: str, experiment: Experiment, budget: str) -> str:
    """Return the title of an experiment's report; it names a small budget."""
    title = experiment.title or name
    return title if budget == "none" else f"{title} (budget={budget})"


def _properties(name: str, experiment: Experiment, words: list[str]) -> str:
    with Activity("writing the table"):
        return _write_properties(name, experiment, words)


def _write_properties(name: str, experiment: Experiment, words: list[str]) -> str:
    from ctrbench.report.properties import write_properties

    jobs = sweep_jobs(sweep_overrides(name, experiment, words))
    first = to_settings(compose(jobs[0].overrides))
    models_known = choices("model")
    for job in jobs:
        if values_by_key(job.overrides)["model"] not in models_known:
            compose(job.overrides)  # refuses it
    models = list(dict.fromkeys(values_by_key(job.overrides)["model"] for job in jobs))
    title = report_title(name, experiment, "none")
    return write_properties(models, Results(first.results).report(name), title, experiment.question)


def _step_times(name: str, experiment: Experiment, words: list[str]) -> str:
    from ctrbench.bench.step_times import measure_steps, plan_steps
    from ctrbench.report.step_times import write_step_times

    machine, path = measure_steps(plan_steps(name, experiment, words))
    return f"{machine}\n\n{write_step_times(path, experiment.question)}"


# What an experiment makes in place of runs, by its name in experiment.measure: takes the
# experiment's name, what it says of itself and the command's words; returns what is printed.
MEASURES: dict[str, Callable[[str, Experiment, list[str]], str]] = {
    "properties": _properties,
    "step_times": _step_times,
}
