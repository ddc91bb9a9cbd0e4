"""The table that ends a sweep: each setting with its validation metrics, and the next command."""

import shlex
import statistics
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench.config.keys import values_by_key
from ctrbench.markdown import NONE, Rows, markdown
from ctrbench.monitor import is_maximised, monitored, name_of
from ctrbench.results import Results
from ctrbench.runs.code import differing_code
from ctrbench.runs.record import RunDirectory
from ctrbench.sweep.folder import SweepFolder
from ctrbench.sweep.jobs import Job

if TYPE_CHECKING:
    from ctrbench.runs.plan import RunPlan

MOST = 20  # rows
Finished = tuple[dict[str, str], dict[str, Any]]  # the overrides that were swept, the result


def summarise(jobs: list[Job], plans: list["RunPlan"], folder: SweepFolder) -> str:
    """Return the table of a sweep's finished runs, averaged over seeds; empty without one."""
    runs = _finished(jobs, plans, folder)
    if not runs:
        return ""
    monitor = plans[0].settings.trainer.monitor
    by_setting = defaultdict[tuple[tuple[str, str], ...], list[dict[str, Any]]](list)
    for swept, result in runs:
        options = {"model": result["model"]} | swept
        by_setting[tuple((k, v) for k, v in options.items() if k != "seed")].append(result)
    figures = {key: _mean(results) for key, results in by_setting.items()}
    ranked = sorted(
        figures, key=lambda key: monitored(monitor, figures[key]), reverse=is_maximised(monitor)
    )
    best = set(ranked[:MOST])
    rows: Rows = [
        _row(dict(key), figures[key], len(results), is_best=key == ranked[0])
        for key, results in by_setting.items()
        if key in best
    ]
    lines = [_filled(rows), f"*: best by validation {name_of(monitor)}"]
    if len(ranked) > MOST:
        lines[-1] += f"; the best {MOST} of {len(ranked)} settings"
    lines += differing_code((result["model"], result.get("code")) for _, result in runs)
    return "\n".join([*lines, f"next: {_next(plans[0].results)}"])


def _finished(jobs: list[Job], plans: list["RunPlan"], folder: SweepFolder) -> list[Finished]:
    directories = [
        (values_by_key(job.swept), run.directory) for job, run in zip(jobs, plans, strict=True)
    ]
    if len(jobs) == 1 and jobs[0].swept == []:  # a sweeper drew the jobs, or there was one
        shared = set(jobs[0].overrides)
        drawn = [
            (
                values_by_key(word for word in job.words if word not in shared),
                RunDirectory(Path(job.path)),
            )
            for job in folder.jobs()
            if job.path
        ]
        directories = drawn or directories
    results = [(swept, directory.result()) for swept, directory in directories]
    return [(swept, result) for swept, result in results if result is not None]


def _mean(results: list[dict[str, Any]]) -> dict[str, Any]:
    valid = [result["metrics"]["valid"] for result in results]
    keys = [key for key, value in valid[0].items() if isinstance(value, int | float)]
    return {key: statistics.mean(figures[key] for figures in valid) for key in keys}


def _row(
    options: dict[str, str], figures: dict[str, Any], runs: int, *, is_best: bool
) -> dict[str, str]:
    mark = " *" if is_best else ""
    return options | {
        "runs": str(runs),
        "valid AUC": f"{figures['auc']:.5f}{mark}",
        "valid logloss": f"{figures['logloss']:.5f}",
    }


def _filled(rows: Rows) -> str:
    """Return the table, options before metrics; an option that a row does not have is a dash."""
    last = ["runs", "valid AUC", "valid logloss"]
    keys = [key for key in dict.fromkeys(k for row in rows for k in row) if key not in last]
    return markdown([{key: row.get(key, NONE) for key in [*keys, *last]} for row in rows])


def _next(results: Results) -> str:
    default = str(results.folder) == "results"
    return shlex.join(["ctrbench", "report", *([] if default else [f"results={results.folder}"])])
