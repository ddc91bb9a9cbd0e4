"""What can be reproduced, and what an experiment would run: numbers of runs, and their time."""

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from ctrbench.command.composition.compose import choices, compose, untuned
from ctrbench.command.composition.grammar import fixed
from ctrbench.command.composition.keys import given, key_of
from ctrbench.command.experiments import find_experiment, needed_data, sweep_overrides
from ctrbench.command.settings import Experiment
from ctrbench.command.sweep.estimates import Estimates
from ctrbench.command.sweep.launch import Job, every_job, jobs, naming, plan, plan_sweep
from ctrbench.errors import UserError
from ctrbench.progress import duration
from ctrbench.runs.record import Results

if TYPE_CHECKING:
    from ctrbench.runs.planned import Planned


def listing(words: list[str], *, by_steps: bool) -> str:
    """What can be reproduced under a command's words, the number of its runs and their time.

    Args:
        by_steps: whether a few steps of what has no finished run are timed.
    """
    estimates = Estimates(by_steps)
    base = compose([w for w in fixed(words) if not key_of(w).startswith("model")])
    may_know = partial(estimates.may_know, Results(base.results), base.data.name)
    lines = [f"{'experiment':14}{'runs':>6}{'time':>14}  "]
    for name in sorted(choices("experiment"), key=_by_number):
        try:
            experiment = find_experiment(name, words)
            if (needed := needed_data(name, experiment, words)) is not None:
                lines.append(f"{name:14}{'-':>6}{'-':>14}  needs {needed}")
                continue
            runs = _runs_by_model(name, experiment, words)
            taken = {
                model: estimates.seconds(plan(made[0].overrides)) if may_know(model) else None
                for model, made in runs.items()
            }
        except UserError as error:  # one's own, half written: the others are listed all the same
            lines.append(f"{name:14}{'-':>6}{'-':>14}  {error}")
            continue
        count = sum(map(len, runs.values()))
        lines.append(f"{name:14}{count:>6}{_total(taken, runs):>14}  {experiment.title}")
    return "\n".join([*lines, TIMES])


def _by_number(name: str) -> tuple[str, int]:
    word = name.rstrip("0123456789")
    return word, int(name[len(word) :] or 0)


TIMES = """
Times: the runs one after the other, as finished runs on this data took. ?: there are none of some
models; --trial prepares the data and times a few steps of each (10 epochs are taken for a run).
The first of a model's runs stands for all of its runs in an experiment."""


def _runs_by_model(name: str, experiment: Experiment, words: list[str]) -> dict[str, list[Job]]:
    """The runs that an experiment makes of each model."""
    if experiment.measure is not None:
        return {}
    made = every_job(sweep_overrides(name, experiment, words))
    if any(key_of(word).startswith("model.") for word in words):  # none but a model refuses them
        with naming(made[0]):
            compose(made[0].overrides)
    runs = defaultdict(list)
    for job in made:
        told = given(job.overrides)
        runs[told.get("model") or told.get("recipe", "").rpartition("/")[2]].append(job)
    if "" in runs:  # no word names one
        of_file = runs.pop("")
        runs[str(compose(untuned(of_file[0].overrides)).model.name)] += of_file
    return runs


def _total(seconds: dict[str, float | None], runs: dict[str, list[Job]]) -> str:
    known = {model: taken for model, taken in seconds.items() if taken is not None}
    if not runs:
        return "no runs"
    more = "" if len(known) == len(runs) else " + ?" if known else "?"
    said = duration(sum(len(runs[model]) * taken for model, taken in known.items()))
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
