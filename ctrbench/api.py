"""Training from Python: keywords and data frames beside the overrides of a command, and what
sweeps, searches and reports show of themselves."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.config.compose import UserFolder, use_folder
from ctrbench.errors import UserError
from ctrbench.files import expanded, file_digest
from ctrbench.quoting import quote_if_needed
from ctrbench.results import Results
from ctrbench.runs.interface import Run
from ctrbench.runs.rows import frame_columns, to_polars


def train(
    *overrides: str,
    data: Any = None,
    label: str | None = None,
    config_dir: str | Path | None = None,
    **options: Any,
) -> Run:
    """Train one run, or find it finished; :func:`ctrbench.train` says more."""
    from ctrbench.runs.run import run
    from ctrbench.sweep.jobs import plan_run

    with _user_folder(config_dir):
        plan = plan_run([*overrides, *_overrides(data, label, options)])
        plan.results.check()
        run(plan)
    return Run(plan.directory.path, trust=config_dir is not None)


@dataclass(frozen=True)
class Shown:
    """The result of a sweep, a search or a report.

    Attributes:
        table: a row for each run, trial or setting.
        text: what the command prints.
        folder: of a report; None of others.
        runs: of a sweep, those that are finished.
    """

    table: pd.DataFrame
    text: str = ""
    folder: Path | None = None
    runs: tuple[Run, ...] = ()

    def __repr__(self) -> str:
        return self.text or self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        """Return the table for a notebook, and a link to the page of a report."""
        link = ""
        if self.folder is not None:
            page = escape(str(self.folder / "index.html"), quote=True)
            link = f'<p><a href="{page}">{page}</a></p>'
        return f"{self.table.to_html(index=False)}{link}"


def sweep(
    *overrides: str,
    data: Any = None,
    label: str | None = None,
    config_dir: str | Path | None = None,
    **options: Any,
) -> Shown:
    """Train a run for every combination of values; a list in a keyword is several values.

    Args:
        overrides: KEY=A,B, those of ``ctrbench train -m``.
        data: as :func:`train` takes it, and ``label``, ``config_dir`` and ``options``.

    Raises:
        UserError: as :func:`train`; if a job failed, once all others are done.
    """
    from ctrbench.runs.frame import frame, select_columns
    from ctrbench.sweep import jobs, launch

    with _user_folder(config_dir):
        words = [*overrides, *_overrides(data, label, options, swept=True)]
        jobs_to_run = jobs.sweep_jobs(words)
        plans = jobs.plan_jobs(jobs_to_run)
        plans[0].results.check()
        launch.launch(words, jobs_to_run, plans, launch.new_folder(plans[0].results))
    paths = [plan.directory.path for plan in plans]
    finished = [path for path in paths if (path / "result.json").exists()]
    table = select_columns(frame(paths), short=True)
    return Shown(table, runs=tuple(Run(path) for path in finished))


def tune(
    *overrides: str,
    data: Any = None,
    label: str | None = None,
    config_dir: str | Path | None = None,
    **options: Any,
) -> Shown:
    """Search for the values of a model or several on the validation rows.

    Args:
        overrides: KEY=VALUE, ``trials=N`` and ``search.KEY=RANGE``, those of ``ctrbench tune``.
        data: as :func:`train` takes it, and ``label``, ``config_dir`` and ``options``.

    Raises:
        UserError: as :func:`train`; without Optuna.
    """
    from ctrbench.tune import Tuning

    folder = None if config_dir is None else str(config_dir)
    before = UserFolder.folder
    try:
        if folder is not None:
            use_folder(folder)
        words = [*overrides, *_overrides(data, label, options, swept=True)]
        tuning = Tuning(words, folder)
        tuning.results.check()
        text = "\n".join(tuning.run())
    finally:
        use_folder(None if before is None else str(before))
    return Shown(pd.DataFrame(tuning.trials), text)


def report(
    *folders: str | Path,
    results: str | Path | None = None,
    name: str | None = None,
    x: str | None = None,
    slice: str | None = None,
) -> Shown:
    """Write a report on all runs below some folders; those of ``results`` if none is named.

    Args:
        name: the report is written to ``results/report/NAME``.
        x: the option that figures are drawn over.
        slice: field by whose values AUC is sliced.

    Raises:
        UserError: if there are no runs, or nothing to draw over ``x``.
    """
    from ctrbench.report.report import report_on

    place = None if results is None else str(results)
    text = report_on([expanded(str(f)) for f in folders], place, name, x, slice)
    folder = Path(text.rpartition("\nwritten to ")[2].rpartition(": ")[0])
    numbers = folder / "table.csv"
    return Shown(pd.read_csv(numbers) if numbers.exists() else pd.DataFrame(), text, folder)


@contextmanager
def _user_folder(folder: str | Path | None) -> Iterator[None]:
    """Look for files in a folder of the user's, as ``--config-dir`` does, for a while."""
    if folder is None:
        yield
        return
    before = UserFolder.folder
    try:
        use_folder(str(folder))
        yield
    finally:
        use_folder(None if before is None else str(before))


def _overrides(
    data: Any, label: str | None, options: dict[str, Any], *, swept: bool = False
) -> list[str]:
    """Return keywords as overrides; ``trainer__epochs`` stands for ``trainer.epochs``.

    Args:
        swept: lists are the values of a sweep.
    """
    values = {name.replace("__", "."): value for name, value in options.items()}
    if isinstance(data, str):
        values["data"] = data
    elif data is not None:
        results = Results(values.get("results", "results"))
        results.check()
        values |= {"data": "table", "data.path": str(_keep_frame(data, results))}
    if label is not None:
        values["data.label"] = label
    return [f"{name}={_values(name, value, swept)}" for name, value in values.items()]


def _values(name: str, value: Any, swept: bool) -> str:
    if swept and isinstance(value, list | tuple):
        return ",".join(_value(name, item) for item in value)
    return _value(name, value)


def _value(name: str, value: Any) -> str:
    """Return a value as Hydra reads it."""
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return quote_if_needed(str(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(_value(name, item) for item in value)}]"
    if isinstance(value, dict):
        items = [f"{_value(name, key)}: {_value(name, item)}" for key, item in value.items()]
        return f"{{{', '.join(items)}}}"
    raise UserError(
        f"{name}: a value of type {type(value).__name__}; give text, a number, a list or a dict"
    )


def _keep_frame(rows: Any, results: Results) -> Path:
    """Write a data frame to a file that is named by its content, from which the run is trained."""
    frame = to_polars(rows, set(frame_columns(rows)), {})
    results.frames.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results.frames) as folder:
        side = Path(folder) / "rows.parquet"
        frame.write_parquet(side)
        path = results.frames / f"{file_digest(side)[:32]}.parquet"
        return path if path.exists() else side.replace(path)
