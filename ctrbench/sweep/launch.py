"""Hand the checked jobs of a sweep to Hydra's launcher, and run a job."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.experimental.callback import Callback
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from ctrbench import signals
from ctrbench.components import activate_inherited
from ctrbench.config.compose import (
    CONF,
    compose,
    initialized_hydra,
    to_settings,
    translated_hydra_errors,
    user_folder_of,
    with_tuned_values,
)
from ctrbench.config.explain import quote_override
from ctrbench.config.keys import key_of
from ctrbench.config.recipes import warn_of_other_data
from ctrbench.errors import UserError, one_line, wants_traceback
from ctrbench.monitor import monitored
from ctrbench.results import Results
from ctrbench.sweep.folder import (
    DONE,
    FAILED,
    STOPPED,
    JobFile,
    SweepFolder,
    concurrent_jobs,
    interruptible,
    limit_to_cores,
    machine_share,
    runs_in_other_processes,
    stopping_jobs_on_signal,
)
from ctrbench.sweep.jobs import Job, draws_values
from ctrbench.sweep.watch import Watch

if TYPE_CHECKING:
    from ctrbench.runs.plan import RunPlan

log = logging.getLogger(__name__)
DIVERGED = 2.0  # logloss over that of the mean click rate


def launch(
    overrides: list[str], jobs: list[Job], plans: list["RunPlan"], folder: SweepFolder
) -> None:
    """Run what is not finished of a sweep, with the launcher and sweeper that were chosen.

    Every job is tried. Each reports its state in the folder, wherever it runs.
    """
    config = compose(jobs[0].overrides)
    words = limit_to_cores(config.hydra, overrides)
    if words:
        config = compose([*jobs[0].overrides, *words])
    is_drawn = draws_values(config.hydra.sweeper)
    todo = _unfinished(jobs, plans)
    if not is_drawn and not todo:
        log.info("runs: %d of %d done", len(jobs), len(jobs))
        return
    numbers = None if is_drawn else [jobs.index(one) for one in todo]
    folder.begin(concurrent_jobs(config.hydra, None if is_drawn else len(todo)), numbers)
    count = (None, 0) if is_drawn else (len(jobs), len(jobs) - len(todo))
    stopped = ""
    try:
        with (
            Watch(folder, *count),
            stopping_jobs_on_signal(config.hydra, folder),
            initialized_hydra() as loader,
        ):
            _use_folder(config, folder.path)
            if is_drawn:
                _draw(loader, config, [*with_tuned_values(overrides), *words])
            else:
                _launch(loader, config, [with_tuned_values(job.overrides) for job in todo])
    except Exception as error:
        signals.raise_if_received()
        stopped = one_line(error)
    _tell_failures(folder.jobs(), jobs[0].overrides if len(jobs) == 1 else _shared(jobs))
    if stopped:
        raise UserError(f"the sweep was stopped: {stopped}")


def _unfinished(jobs: list[Job], plans: list["RunPlan"]) -> list[Job]:
    """Return the jobs whose runs are not finished, or damaged; of several with the same run, the
    first."""
    first: dict[str, Job] = {}
    for job, run in zip(jobs, plans, strict=True):
        if run.identity not in first and not run.directory.is_finished():
            first[run.identity] = job
    return list(first.values())


def _shared(jobs: list[Job]) -> list[str]:
    return [word for word in jobs[0].overrides if word not in jobs[0].swept]


def _use_folder(config: DictConfig, path: Path) -> None:
    """Make launchers keep their files in the folder, and compose each job with these overrides."""
    word = quote_override("hydra.sweep.dir", str(path))
    config.hydra.sweep.dir, config.hydra.mode = str(path), RunMode.MULTIRUN
    config.hydra.overrides.hydra.append(word)


def _launch(loader: ConfigLoader, config: DictConfig, jobs: list[list[str]]) -> None:
    """Give the jobs to the launcher, in batches of ``hydra.sweeper.max_batch_size``."""
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=_context(loader), task_function=run_job, config=config
    )
    job_overrides = [
        [word for word in words if not key_of(word).startswith("hydra")] for words in jobs
    ]
    size = config.hydra.sweeper.max_batch_size or len(job_overrides)
    for first in range(0, len(job_overrides), size):
        launcher.launch(job_overrides[first : first + size], initial_job_idx=first)


def _draw(loader: ConfigLoader, config: DictConfig, overrides: list[str]) -> None:
    """Let a sweeper of another package draw the values and launch the jobs."""
    sweeper = Plugins.instance().instantiate_sweeper(
        hydra_context=_context(loader), task_function=run_job, config=config
    )
    sweeper.sweep([word for word in overrides if not key_of(word).startswith("hydra")])


def _context(loader: ConfigLoader) -> HydraContext:
    """Return what launchers are given; without callbacks, since their settings are refused."""
    return HydraContext(loader, callbacks=cast(Any, Callback()))


def _tell_failures(jobs: list[JobFile], shared: list[str]) -> None:
    failed = [job for job in jobs if job.state != DONE]
    if not failed:
        return
    lines = [f"{len(failed)} of the sweep's jobs failed:"]
    for job in failed:
        swept = " ".join(word for word in job.words if word not in shared)
        lines.append(f"{swept}: {job.message or 'its process ended without reporting a result'}")
    raise UserError("\n  ".join(lines))


def show_info(words: list[str]) -> None:
    """Let Hydra print what it finds, and where."""
    import hydra

    logging.getLogger().handlers.clear()  # which Hydra logs, to standard output
    sys.argv = ["ctrbench", *words]  # hydra.main reads it; nothing else offers --info
    with translated_hydra_errors():
        hydra.main(version_base="1.3", config_path=CONF, config_name="config")(run_job)()


def run_job(config: DictConfig) -> float | None:
    """Run one job of a sweep, in this process or another.

    Returns:
        Its best validation figure, for a sweeper; None, which is no figure, if it failed.
    """
    from hydra.core.hydra_config import HydraConfig

    activate_inherited()
    hydra: Any = HydraConfig.get()
    folder = SweepFolder(Path(hydra.sweep.dir))
    state = JobFile(folder.number_of(hydra.job.num), list(hydra.overrides.task))
    with ExitStack() as around:
        if runs_in_other_processes(hydra):  # its lines would stand among those of others
            around.enter_context(_logging_to(folder.log_of(state.number)))
            around.enter_context(interruptible(hydra))
        try:
            return _run_job(config, user_folder_of(hydra), folder, state)
        except KeyboardInterrupt:
            folder.tell(replace(state, state=STOPPED))
            raise
        except Exception as error:
            signals.raise_if_received()
            line = one_line(error)
            is_expected = isinstance(error, UserError | OSError)
            log.error(
                "failed: %s", line, exc_info=error if wants_traceback() or not is_expected else None
            )
            folder.tell(replace(state, state=FAILED, message=line))
    return None


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write the log and standard error to a file."""
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


def _run_job(
    config: DictConfig, config_dir: str | None, folder: SweepFolder, told: JobFile
) -> float:
    from ctrbench.machine import gpus
    from ctrbench.runs.command import Command
    from ctrbench.runs.plan import RunPlan

    settings = to_settings(config)
    concurrent = folder.side_by_side
    share = machine_share(told.number, concurrent, gpus() if concurrent > 1 else 0)
    is_set = {"threads": settings.threads is not None, "device": settings.device != "auto"}
    share = {key: value for key, value in share.items() if not is_set[key]}
    command = Command(tuple(told.words), config_dir, told.number)
    plan = RunPlan(replace(settings, **share), command=command)
    is_found = plan.directory.is_finished()
    told = replace(told, found=is_found, path=str(plan.directory.path.absolute()))
    folder.tell(told)
    result = train_run(plan)
    folder.tell(replace(told, state=DONE))
    figure: float = monitored(settings.trainer.monitor, result["metrics"]["valid"])
    return figure


def train_run(plan: "RunPlan") -> dict[str, Any]:
    """Train one run, with a line in the log before and after it."""
    from ctrbench.runs.run import run

    log.info("%s", plan.settings.title)
    if warning := warn_of_other_data(plan.settings):
        log.warning("%s", warning)
    tuned = plan.settings.tuned
    if tuned is not None and tuned.content not in (None, plan.content):
        log.info("its tuned values were found on other rows or another split")
    if tuned is not None and tuned.budget not in (None, plan.settings.budget.name):
        log.info("its tuned values were found with budget=%s", tuned.budget)
    try:
        result = run(plan)
    except UserError as error:
        raise type(error)(f"{plan.settings.title}: {error}") from None
    test = result["metrics"]["test"]
    log.info(
        "test AUC %.5f, logloss %.5f, best epoch %d: %s",
        *(test["auc"], test["logloss"], result["best_epoch"], plan.directory.path),
    )
    if test.get("gauc") is not None:
        figures = (test["gauc"], f"{test['gauc_groups']:,}", plan.settings.data.group)
        log.info("test GAUC %.5f, of %s values of %s", *figures)
    if "best_auc" in test:
        log.info(
            "best reachable AUC %.5f, logloss %.5f; excess logloss %.5f",
            *(test["best_auc"], test["best_logloss"], test["excess_logloss"]),
        )
    if test.get("ne", 0) > 1:
        rates = " or ".join(plan.settings.optimizer.rates())
        log.info(
            "worse than predicting the mean click rate for every row, of logloss %.5f%s",
            test["logloss"] / test["ne"],
            f"; lower {rates}" if test["ne"] > DIVERGED else "",
        )
    return result


def new_folder(results: Results) -> SweepFolder:
    """Return the folder of a sweep that starts now; it is made with the first job."""
    name = f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}"
    return SweepFolder(results.sweep(name).resolve())
