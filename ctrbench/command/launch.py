"""The jobs of a command: checked before the first one starts, then handed to Hydra."""

import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from omegaconf import DictConfig

from ctrbench.command.compose import (
    CONF,
    compose,
    fixed,
    one_line_for_hydra,
    parsed,
    quoted,
    to_settings,
    with_tuned,
)
from ctrbench.errors import UserError, one_line
from ctrbench.files import write_atomic

if TYPE_CHECKING:
    from ctrbench.runs.planned import Planned

BASIC = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"
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


def plan_sweep(overrides: list[str]) -> list["Planned"]:
    """Every job of a sweep: all are refused or accepted before the first one starts.

    Of a sweeper that draws its values there is one, of what is not swept.
    """
    return [_plan_job(job) for job in jobs(overrides)]


def _plan_job(job: Job) -> "Planned":
    try:
        return plan(job.overrides)
    except UserError as error:
        where = f"{' '.join(job.swept)}: " if job.swept else ""
        raise UserError(f"{where}{error}") from None


def jobs(overrides: list[str]) -> list[Job]:
    """The jobs of a sweep; of a sweeper that draws its values, the one of what is not swept."""
    one = fixed(overrides)
    sweeper = compose(one).hydra.sweeper
    if not isinstance(sweeper, DictConfig) or sweeper.get("_target_") != BASIC:
        return [Job(one, [])]
    words = [*(f"{key}={value}" for key, value in (sweeper.params or {}).items()), *overrides]
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


def launch(overrides: list[str], folder: Path) -> None:
    """Hand a sweep to Hydra, with whatever launcher and sweeper were chosen.

    Every job is tried. One that failed says so when it fails, and leaves its line in the folder,
    which the jobs share wherever they run.

    Raises:
        UserError: at the end, with what failed.
    """
    stopped, overrides = "", with_tuned(overrides)
    try:
        run_hydra(["--multirun", *overrides, quoted("hydra.sweep.dir", str(folder.resolve()))])
    except Exception as error:
        stopped = one_line(error)
    failures = [json.loads(path.read_text()) for path in sorted(folder.glob("failed-*"))]
    if failures:
        lines = [f"{len(failures)} of the sweep's jobs failed:"]
        for failure in failures:
            swept = [word for word in failure["words"] if word not in overrides]
            lines.append(f"{' '.join(swept)}: {failure['message']}")
        raise UserError("\n  ".join(lines))
    if stopped:
        raise UserError(f"the sweep was stopped: {stopped}")


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
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from hydra.core.hydra_config import HydraConfig

    from ctrbench.runs.planned import Planned

    try:
        planned = Planned(to_settings(config))
        result = train(planned)
    except Exception as error:
        line = one_line(error)
        known = isinstance(error, UserError | OSError)
        log.error("failed: %s", line, exc_info=None if known else error)
        hydra = HydraConfig.get()
        about = json.dumps({"words": list(hydra.overrides.task), "message": line})
        write_atomic(Path(hydra.sweep.dir) / f"failed-{hydra.job.num:06}.json", about)
        return None
    figure: float = result["metrics"]["valid"][planned.settings.trainer.monitor]
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
    try:
        result = run(planned)
    except UserError as error:
        raise UserError(f"{planned.settings.title}: {error}") from None
    test = result["metrics"]["test"]
    log.info(
        "test AUC %.5f, logloss %.5f, best epoch %d: %s",
        *(test["auc"], test["logloss"], result["best_epoch"], planned.directory.path),
    )
    if "best_auc" in test:
        log.info(
            "best reachable AUC %.5f, logloss %.5f; excess logloss %.5f",
            *(test["best_auc"], test["best_logloss"], test["excess_logloss"]),
        )
    return result


def sweep_name() -> str:
    """A name for the folder of a sweep that starts now."""
    return f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{os.getpid()}"
