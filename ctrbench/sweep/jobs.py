"""The jobs of a sweep: lists of values multiplied out, each job composed and checked once."""

import itertools
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from ctrbench.config.applicable import keep_applicable
from ctrbench.config.compose import compose, to_settings, user_folder_of, with_tuned_values
from ctrbench.config.grammar import parse_overrides, single_valued, values_in
from ctrbench.config.keys import key_of, keys_of
from ctrbench.errors import UserError
from ctrbench.results import Results
from ctrbench.settings import digest

if TYPE_CHECKING:
    from ctrbench.data.dataset import Dataset
    from ctrbench.data.sources.base import Source
    from ctrbench.runs.plan import RunPlan

CHOOSE_SWEEPER = ("hydra", "experiment", "budget")
OF_ROWS = {"data", "split", "results", "seed", "threads", "device", "budget"}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """The overrides of one job of a sweep.

    Attributes:
        overrides: all of them.
        swept: those that it does not share with the other jobs.
    """

    overrides: list[str]
    swept: list[str]


def plan_run(overrides: list[str]) -> "RunPlan":
    """Compose and check the run of a command's overrides."""
    return plan_jobs([Job(overrides, [])])[0]


def plan_dataset(overrides: list[str]) -> "Dataset":
    """Compose and check the data set of a command's overrides, with the crosses of a model that
    they name."""
    sections = {key.partition(".")[0] for key in keys_of(overrides)}
    any_rows = ["model=lr"] if sections <= OF_ROWS else []  # has no tuned values of the data
    settings = to_settings(compose(with_tuned_values([*any_rows, *overrides])))
    from ctrbench.data.dataset import Dataset  # late: a mistyped command needs no polars

    crosses = settings.model.crossing()
    return Dataset(settings.data, settings.split, Results(settings.results), crosses=crosses)


def plan_sweep(overrides: list[str]) -> list["RunPlan"]:
    """Compose and check every job of a sweep."""
    return plan_jobs(sweep_jobs(overrides))


def plan_jobs(jobs: Iterable[Job]) -> list["RunPlan"]:
    """Compose and check jobs; a data set that several have in common is opened once."""
    plans, sources = [], dict[str, "Source"]()
    for job in jobs:
        with naming_job(job):
            config = compose(with_tuned_values(job.overrides))
            settings = to_settings(config)
            from ctrbench.runs.command import Command
            from ctrbench.runs.plan import RunPlan  # late: a mistyped command needs no polars

            rows = digest([settings.data.registered, asdict(settings.data)])
            command = Command(tuple(job.overrides), user_folder_of(config.hydra))
            run = RunPlan(settings, sources.get(rows), command)
            sources[rows] = run.source
            plans.append(run)
    return plans


@contextmanager
def naming_job(job: Job) -> Iterator[None]:
    """Prefix an error with the overrides of the job, unless it begins with one of them.

    A seed is left out: no setting is right for one seed and wrong for another.
    """
    try:
        yield
    except UserError as error:
        keys = tuple(f"{key}=" for key in keys_of(job.swept))
        where = " ".join(word for word in job.swept if key_of(word) != "seed")
        is_named = not where or str(error).startswith(keys)
        raise type(error)(f"{error}" if is_named else f"{where}: {error}") from None


def sweep_jobs(overrides: list[str]) -> list[Job]:
    """Return the jobs of a sweep; if its sweeper draws the values itself, one job of the fixed
    overrides."""
    sweeper = _sweeper(overrides)
    if draws_values(sweeper):
        return [Job(single_valued(overrides), [])]
    expanded = expand_lists(overrides)
    applicable, notes = keep_applicable([job.overrides for job in expanded])
    for note in notes:
        log.info("%s", note)
    return distinct_jobs(applicable) if notes else expanded


def single_job(overrides: list[str]) -> Job:
    """Return the job of a command without ``-m``."""
    for word in overrides:
        if key_of(word).startswith("hydra") and key_of(word) != "hydra.mode":
            raise UserError(f"{word}: is read by sweeps alone; add -m")
    if compose(overrides).hydra.mode == RunMode.MULTIRUN:
        raise UserError("hydra.mode=MULTIRUN: asks for a sweep; add -m")
    return Job(overrides, [])


def _sweeper(overrides: list[str]) -> DictConfig:
    """Return the settings of the sweeper, which an override or an experiment's file may choose."""
    chosen = [word for word in single_valued(overrides) if key_of(word).startswith(CHOOSE_SWEEPER)]
    sweeper: DictConfig = compose(chosen).hydra.sweeper
    return sweeper


def draws_values(sweeper: DictConfig) -> bool:
    """Return whether a sweeper draws the values of its jobs, as Optuna's does."""
    return not str(sweeper.get("_target_")).endswith(".BasicSweeper")


def expand_lists(overrides: list[str]) -> list[Job]:
    """Multiply out the lists of values, the last one first, as Hydra does."""
    axes = []
    for word, override in zip(overrides, parse_overrides(overrides), strict=True):
        _refuse_axis(word, override)
        values = values_in(word, override) if override.is_sweep_override() else None
        key = override.get_key_element()
        axes.append([word] if values is None else [f"{key}={value}" for value in values])
    return distinct_jobs([list(job) for job in itertools.product(*axes)])


def _refuse_axis(word: str, override: Override) -> None:
    if not override.is_sweep_override():
        return
    if override.is_hydra_override():
        raise UserError(f"{word}: settings of Hydra cannot be swept; give one value")
    if not override.is_discrete_sweep():
        raise UserError(
            f"{word}: drawn values need a sweeper that draws (hydra/sweeper=NAME); here lists, "
            "choice(), range() and glob() can be swept"
        )


def distinct_jobs(overrides: list[list[str]]) -> list[Job]:
    """Return the distinct jobs, each with the overrides that not all of them share."""
    distinct = list(dict.fromkeys(map(tuple, overrides)))
    shared = set.intersection(*map(set, distinct))
    return [Job(list(job), [word for word in job if word not in shared]) for job in distinct]
