"""Listings of experiments and of their runs, with the time that these take."""

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from ctrbench.command.experiments import find_experiment, needed_data, sweep_overrides
from ctrbench.config.compose import choices, compose, without_tuned_values
from ctrbench.config.grammar import single_valued
from ctrbench.config.keys import key_of, values_by_key
from ctrbench.config.verb_settings import Experiment
from ctrbench.errors import UserError
from ctrbench.progress import Activity, duration
from ctrbench.results import Results
from ctrbench.sweep.estimates import Estimates
from ctrbench.sweep.jobs import Job, expand_lists, naming_job, plan_jobs, plan_run, sweep_jobs

if TYPE_CHECKING:
    from ctrbench.runs.plan import RunPlan


def listing(words: list[str], *, by_steps: bool, activity: Activity) -> str:
    """List the experiments with the number of their runs and their time, under a command's
    overrides.

    Args:
        by_steps: whether a few steps of what has no finished run are timed.
        activity: names the experiment that is read.
    """
    estimates = Estimates(by_steps)
    base = compose([w for w in single_valued(words) if not key_of(w).startswith("model")])
    may_know = partial(estimates.may_know, Results(base.results), base.data.name)
    lines = [f"{'experiment':14}{'runs':>6}{'time':>14}  "]
    for name in sorted(choices("experiment"), key=_by_number):
        activity.now = name
        try:
            experiment = find_experiment(name, words)
            if (needed := needed_data(name, experiment, words)) is not None:
                lines.append(f"{name:14}{'-':>6}{'-':>14}  needs {needed}")
                continue
            runs = _runs_by_model(name, experiment, words)
            seconds = {
                model: estimates.seconds(plan_run(jobs[0].overrides)) if may_know(model) else None
                for model, jobs in runs.items()
            }
        except UserError as error:  # one's own, half written: the others are listed all the same
            lines.append(f"{name:14}{'-':>6}{'-':>14}  {error}")
            continue
        count = sum(map(len, runs.values()))
        lines.append(f"{name:14}{count:>6}{_total(seconds, runs):>14}  {experiment.title}")
    return "\n".join([*lines, TIMES])


def _by_number(name: str) -> tuple[str, int]:
    word = name.rstrip("0123456789")
    return word, int(name[len(word) :] or 0)


TIMES = """
Times: the runs one after the other, as finished runs on this data took. ?: there are none of some
models; --trial prepares the data and times a few steps of each (10 epochs are taken for a run).
The first of a model's runs stands for all of its runs in an experiment."""


def _runs_by_model(name: str, experiment: Experiment, words: list[str]) -> dict[str, list[Job]]:
    """Return an experiment's runs by model."""
    if experiment.measure is not None:
        return {}
    jobs = expand_lists(sweep_overrides(name, experiment, words))
    if any(key_of(word).startswith("model.") for word in words):  # none but a model refuses them
        with naming_job(jobs[0]):
            compose(jobs[0].overrides)
    runs = defaultdict(list)
    for job in jobs:
        values = values_by_key(job.overrides)
        runs[values.get("model") or values.get("recipe", "").rpartition("/")[2]].append(job)
    if "" in runs:  # no word names one
        unnamed = runs.pop("")
        runs[str(compose(without_tuned_values(unnamed[0].overrides)).model.name)] += unnamed
    return runs


def _total(seconds: dict[str, float | None], runs: dict[str, list[Job]]) -> str:
    known_seconds = {model: taken for model, taken in seconds.items() if taken is not None}
    if not runs:
        return "no runs"
    more = "" if len(known_seconds) == len(runs) else " + ?" if known_seconds else "?"
    text = duration(sum(len(runs[model]) * taken for model, taken in known_seconds.items()))
    return f"{text if known_seconds else ''}{more}"


def dry_run(name: str, words: list[str], *, by_steps: bool) -> str:
    """List an experiment's runs: which are finished, which are left, and how long those will
    take."""
    experiment = find_experiment(name, words)
    if experiment.measure is not None:
        return f"{name}: has no runs; ctrbench reproduce {name} makes it at once"
    overrides = sweep_overrides(name, experiment, words)
    swept = sweep_jobs(overrides)
    words = [" ".join(job.swept) for job in swept]
    return _runs_of(plan_jobs(swept), words, Estimates(by_steps))


def _runs_of(plans: list["RunPlan"], swept: list[str], estimates: Estimates) -> str:
    from ctrbench.runs.frame import FINISHED, read_run  # takes pandas with it

    lines, left, unknown = [], 0.0, 0
    states = [read_run(one.directory.path)["state"] for one in plans]
    for one, words, state in zip(plans, swept, states, strict=True):
        seconds = None if state == FINISHED else estimates.seconds(one)
        if state != FINISHED:
            left, unknown = left + (seconds or 0), unknown + (seconds is None)
            state = state if one.directory.path.exists() else "not begun"
        lines.append(
            f"{state:12}{'' if seconds is None else duration(seconds):>10}  {words}".rstrip()
        )
    todo = len(states) - states.count(FINISHED)
    summary = f"{len(states)} runs: {len(states) - todo} finished, {todo} left"
    if todo > unknown:
        summary += f", about {duration(left)} one after the other"
    if unknown:
        summary += f"; the time of {unknown} is not known (--trial times a few steps)"
    return "\n".join([*lines, summary])
