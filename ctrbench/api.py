"""Training from Python: keywords and data frames beside the overrides of a command."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctrbench.config.compose import UserFolder, use_folder
from ctrbench.errors import UserError
from ctrbench.files import file_digest
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


@contextmanager
def _user_folder(folder: str | Path | None) -> Iterator[None]:
    """Look for files in a folder of the user's, as ``--config-dir`` does, for a while."""
    if folder is None:
        yield
        return
    before = UserFolder.folder
    use_folder(str(folder))
    try:
        yield
    finally:
        use_folder(None if before is None else str(before))


def _overrides(data: Any, label: str | None, options: dict[str, Any]) -> list[str]:
    """Return keywords as overrides; ``trainer__epochs`` stands for ``trainer.epochs``."""
    values = {name.replace("__", "."): value for name, value in options.items()}
    if isinstance(data, str):
        values["data"] = data
    elif data is not None:
        results = Results(values.get("results", "results"))
        results.check()
        values |= {"data": "table", "data.path": str(_keep_frame(data, results))}
    if label is not None:
        values["data.label"] = label
    return [f"{name}={_value(name, value)}" for name, value in values.items()]


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
