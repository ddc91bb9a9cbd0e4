"""Experiments: Hydra overlays that name the runs of a table or figure, or what stands for them."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ctrbench.command.compose import choices, compose, fixed
from ctrbench.command.launch import jobs
from ctrbench.command.settings import Experiment
from ctrbench.errors import UserError
from ctrbench.settings import nearest

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
    if not experiment.sweep and not experiment.models and experiment.measure is None:
        raise UserError(
            f"experiment/{name}.yaml: names no runs; it needs '# @package _global_' in its first "
            "line, and experiment.sweep with the values of each key"
        )
    if experiment.measure is not None and experiment.measure not in MEASURES:
        hint = nearest(experiment.measure, MEASURES)
        raise UserError(f"experiment/{name}.yaml: measure={experiment.measure}: not known; {hint}")
    return experiment


def _typed(name: str, about: Any) -> Experiment:
    try:
        said = OmegaConf.to_container(about, resolve=True) if OmegaConf.is_config(about) else {}
        experiment = OmegaConf.to_object(OmegaConf.merge(Experiment, said))
    except ConfigKeyError as error:
        hint = nearest(str(error.key), [field.name for field in fields(Experiment)])
        raise UserError(f"experiment/{name}.yaml: {error.key}: no such key; {hint}") from None
    except OmegaConfBaseException as error:
        line = str(error).splitlines()[0]
        raise UserError(f"experiment/{name}.yaml: {error.full_key}: {line}") from None
    assert isinstance(experiment, Experiment)
    return experiment


def sweep_overrides(name: str, experiment: Experiment, words: list[str]) -> list[str]:
    """The words of an experiment's sweep; what the user gives takes the place of its axes."""
    given = {word.partition("=")[0] for word in words}
    axes = dict(experiment.sweep)
    if experiment.models and "model" not in given:
        from ctrbench.models.registry import having  # takes torch with it

        axes = {"model": having(experiment.models)} | axes
    own = [f"{key}={_swept(values)}" for key, values in axes.items() if key not in given]
    return [f"experiment={name}", *own, *words]


def _swept(values: Any) -> str:
    return ",".join(map(str, values)) if isinstance(values, list) else str(values)


def report_title(name: str, experiment: Experiment, budget: str) -> str:
    """Of its report: a small budget is said before everything else."""
    title = experiment.title or name
    return title if budget == "none" else f"{title} (budget={budget})"


def _properties(name: str, experiment: Experiment, words: list[str]) -> str:
    from ctrbench.command.launch import plan
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


def listing(words: list[str]) -> str:
    """What can be reproduced, and the number of its runs under a command's words."""
    lines = [f"{'experiment':16}{'runs':>6}"]
    for name in choices("experiment"):
        try:
            experiment = find_experiment(name, words)
            measured = experiment.measure is not None
            runs = "-" if measured else len(jobs(sweep_overrides(name, experiment, words)))
        except UserError as error:  # one's own, half written: the others are listed all the same
            lines.append(f"{name:16}{'-':>6}  {error}")
            continue
        lines.append(f"{name:16}{runs:>6}  {experiment.title}")
    return "\n".join(lines)
