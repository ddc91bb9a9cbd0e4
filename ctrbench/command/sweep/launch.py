"""The jobs of a command: checked before the first one starts, then handed to Hydra."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from omegaconf import DictConfig

from ctrbench.command.composition.compose import (
    CONF,
    compose,
    one_line_for_hydra,
    to_settings,
    with_tuned,
)
from ctrbench.command.composition.explain import quoted
from ctrbench.command.composition.grammar import fixed, parsed
from ctrbench.command.composition.keys import keys_of
from ctrbench.command.sweep.folder import (
    DONE,
    FAILED,
    JobFile,
    SweepFolder,
    is_elsewhere,
    one_a_core,
    ready_to_stop,
    share,
    side_by_side,
)
from ctrbench.command.sweep.watch import Watch
from ctrbench.errors import UserError, one_line
from ctrbench.monitor import monitored

if TYPE_CHECKING:
    from ctrbench.runs.planned import Planned

BASIC = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"
OF_ROWS = {"data", "split", "results", "seed", "threads", "device", "budget"}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """The words of one job of a sweep.

    Attributes:
        overrides: all of them.
        swept: those that it does not share with the others.
    """

    overrides: list[str]
    swept: list[str]


def plan(overrides: list[str]) -> "Planned":
    """The run of a command's words."""
    settings = to_settings(compose(with_tuned(overrides)))
    from ctrbench.runs.planned import Planned  # behind what refuses a mistyped command at once

    return Planned(settings)


def plan_rows(words: list[str]) -> "Planned":
    """A run of a command's words that is there for its rows: of ``lr``, which takes all, where the
    words are about them alone."""
    told = {key.partition(".")[0] for key in keys_of(words)}
    return plan(["model=lr", *words] if told <= OF_ROWS else words)


def plan_sweep(overrides: list[str]) -> list["Planned"]:
    """Every job of a sweep: all are refused or accepted before the first one starts.

    Of a sweeper that draws its values there is one, of what is not swept.
    """
    planned = []
    for job in jobs(overrides):
        with naming(job):
            planned.append(plan(job.overrides))
    return planned


@contextmanager
def naming(job: Job) -> Iterator[None]:
    """A mistake within tells the words of the job, unless it begins with one of them."""
    try:
        yield
    except UserError as error:
        keys = tuple(f"{key}=" for key in keys_of(job.swept))
        is_told = not keys or str(error).startswith(keys)
        where = "" if is_told else f"{' '.join(job.swept)}: "
        raise type(error)(f"{where}{error}") from None


def jobs(overrides: list[str]) -> list[Job]:
    """The jobs of a sweep; of a sweeper that draws its values, the one of what is not swept."""
    one = fixed(overrides)
    sweeper = compose(one).hydra.sweeper
    if not isinstance(sweeper, DictConfig) or sweeper.get("_target_") != BASIC:
        return [Job(one, [])]
    return every_job(
        [*(f"{key}={value}" for key, value in (sweeper.params or {}).items()), *overrides]
    )


def every_job(words: list[str]) -> list[Job]:
    """Those of lists of values, in Hydra's order."""
    found = parsed(words)
    for word, override in zip(words, found, strict=True):
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise UserError(
                f"{word}: drawn values need a sweeper that draws (hydra/sweeper=NAME); here lists, "
                "choice(), range() and glob() can be swept"
            )
    (all_jobs,) = BasicSweeper.split_arguments(found, max_batch_size=None)
    shared = set.intersection(*map(set, all_jobs))
    return [Job(job, [word for word in job if word not in shared]) for job in all_jobs]


def launch(overrides: list[str], planned: list["Planned"]) -> None:
    """Hand a sweep to Hydra, with whatever launcher and sweeper were chosen.

    Every job is tried. What became of it, it leaves in a folder that the jobs share wherever they
    run.

    Raises:
        UserError: at the end, with what failed.
    """
    folder = SweepFolder(planned[0].results.sweep(sweep_name()).resolve())
    hydra = compose(fixed(overrides)).hydra
    if own := one_a_core(hydra, overrides):
        hydra = compose(fixed([*overrides, *own])).hydra
    overrides = [*with_tuned(overrides), *own]
    is_drawn = hydra.sweeper.get("_target_") != BASIC
    folder.begin(side_by_side(hydra, None if is_drawn else len(planned)))
    todo = sum(one.directory.result() is None for one in planned)
    stopped = ""
    try:
        with Watch(folder, None if is_drawn else len(planned), todo), ready_to_stop(hydra):
            run_hydra(["--multirun", *overrides, quoted("hydra.sweep.dir", str(folder.path))])
    except KeyboardInterrupt:
        folder.stop()
        raise
    except Exception as error:
        stopped = one_line(error)
    _tell_failures(folder.jobs(), overrides)
    if stopped:
        raise UserError(f"the sweep was stopped: {stopped}")


def _tell_failures(jobs: list[JobFile], shared: list[str]) -> None:
    failed = [job for job in jobs if job.state != DONE]
    if not failed:
        return
    lines = [f"{len(failed)} of the sweep's jobs failed:"]
    for job in failed:
        swept = " ".join(word for word in job.words if word not in shared)
        lines.append(f"{swept}: {job.message or 'its process ended without reporting a result'}")
    raise UserError("\n  ".join(lines))


def run_hydra(words: list[str]) -> None:
    """Hydra's own command line, flags included."""
    import hydra

    if "--info" in words:  # which Hydra logs, to standard output
        logging.getLogger().handlers.clear()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back as they are; one line is made of them
    # Hydra would compose every job once more to see that it can be: plan_sweep has.
    BasicSweeper.validate_batch_is_legal = lambda self, batch: None  # type: ignore[method-assign]
    sys.argv = ["ctrbench", *words]
    with one_line_for_hydra():
        hydra.main(version_base="1.3", config_path=CONF, config_name="config")(job)()


def job(config: DictConfig) -> float | None:
    """One job of a sweep, here or in another process.

    Returns:
        Its best validation figure, for a sweeper; None, which is no figure, if it failed.
    """
    from hydra.core.hydra_config import HydraConfig

    hydra: Any = HydraConfig.get()
    folder = SweepFolder(Path(hydra.sweep.dir))
    told = JobFile(hydra.job.num, list(hydra.overrides.task))
    with ExitStack() as around:
        if is_elsewhere(hydra):  # its lines would stand among those of others
            around.enter_context(_logged_to(folder.log_of(told.number)))
            # as ready_to_stop blocked it
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        try:
            return _run_job(config, folder, told)
        except Exception as error:
            line = one_line(error)
            known = isinstance(error, UserError | OSError)
            log.error("failed: %s", line, exc_info=None if known else error)
            folder.tell(replace(told, state=FAILED, message=line))
    return None


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """All that is said within goes to a file."""
    root = logging.getLogger()
    before = root.handlers, root.level
    with path.open("a") as file, redirect_stderr(file):
        root.handlers = [logging.StreamHandler(file)]
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.handlers, level = before
            root.setLevel(level)


def _run_job(config: DictConfig, folder: SweepFolder, told: JobFile) -> float:
    from ctrbench.machine import gpus
    from ctrbench.runs.planned import Planned

    settings = to_settings(config)
    beside = folder.side_by_side
    own = share(told.number, beside, gpus() if beside > 1 else 0)
    given = {"threads": settings.threads is not None, "device": settings.device != "auto"}
    own = {key: value for key, value in own.items() if not given[key]}
    planned = Planned(replace(settings, **own))
    told = replace(told, found=planned.directory.result() is not None)
    folder.tell(told)
    result = train(planned)
    folder.tell(replace(told, state=DONE))
    figure: float = monitored(settings.trainer.monitor, result["metrics"]["valid"])
    return figure


def train(planned: "Planned") -> dict[str, Any]:
    """One run, with a line before and one behind it.

    Raises:
        UserError: naming the run, if it fails.
    """
    from ctrbench.runs.run import run

    log.info("%s", planned.settings.title)
    tuned = planned.settings.tuned
    if tuned is not None and tuned.content not in (None, planned.content):
        log.info("its tuned values were found on other rows or another split")
    if tuned is not None and tuned.budget not in (None, planned.settings.budget.name):
        log.info("its tuned values were found with budget=%s", tuned.budget)
    try:
        result = run(planned)
    except UserError as error:
        raise type(error)(f"{planned.settings.title}: {error}") from None
    test = result["metrics"]["test"]
    log.info(
        "test AUC %.5f, logloss %.5f, best epoch %d: %s",
        *(test["auc"], test["logloss"], result["best_epoch"], planned.directory.path),
    )
    if test.get("gauc") is not None:
        about = (test["gauc"], f"{test['gauc_groups']:,}", planned.settings.data.group)
        log.info("test GAUC %.5f, of %s values of %s", *about)
    if "best_auc" in test:
        log.info(
            "best reachable AUC %.5f, logloss %.5f; excess logloss %.5f",
            *(test["best_auc"], test["best_logloss"], test["excess_logloss"]),
        )
    return result


def sweep_name() -> str:
    """A name for the folder of a sweep that starts now."""
    return f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}"
