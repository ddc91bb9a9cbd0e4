"""All runs below some folders as a table, a row each; what is not finished is a row too."""

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.data.settings import FileSettings
from ctrbench.errors import UserError, describe_os_error
from ctrbench.runs.record import JOURNAL, RunDirectory
from ctrbench.runs.settings import RunSettings
from ctrbench.settings import digest, neutral

FINISHED, FAILED, UNFINISHED, BROKEN = "finished", "failed", "unfinished", "broken"
MARKS = {"result.json", "failed.json", "history.jsonl", "checkpoint.pt"}
CONFIG_MARK = b"\nclasses:"  # of a resolved config: other files may be named config.yaml too
DECIDING = {field.name for field in fields(RunSettings) if field.metadata["decides"]}
OPTIONS = (DECIDING - {"seed"}) | {"version"}  # what runs are grouped by
# Options of a data set that its content stands for.
FILES = {f"data.{f.name}" for f in fields(FileSettings) if not f.metadata["decides"]}
NUMBERS = (
    *("metrics.valid.auc", "metrics.valid.logloss", "metrics.test.auc", "metrics.test.logloss"),
    *("seconds_per_epoch", "seed", "batch_size"),
    *("dataset.features", "dataset.fields", "environment.threads"),
    *(f"dataset.rows.{part}" for part in ("train", "valid", "test")),
)
WORDS = (
    "model",
    "data",
    "settings.model.name",
    "dataset.content",
    *(f"environment.{name}" for name in ("device", "precision", "torch")),
)


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Every run directory at or below the folders, finished or not, once.

    Raises:
        UserError: for a folder that is not there, and where there is no run at all.
    """
    folders = list(folders)
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; name one with runs in it")
        for root, below, files in os.walk(folder):
            if JOURNAL in files:  # trials of a search are no runs
                below.clear()
            elif _is_run(Path(root), set(files)):
                found.setdefault(Path(root).resolve(), Path(root))
    if not found:
        where = ", ".join(map(str, folders))
        raise UserError(f"{where}: no run here; train one, or name its folder")
    return sorted(found.values())


def _is_run(path: Path, files: set[str]) -> bool:
    if files & MARKS:
        return True
    try:
        return "config.yaml" in files and CONFIG_MARK in (path / "config.yaml").read_bytes()
    except OSError:
        return False


def frame(runs: Iterable[Path]) -> pd.DataFrame:
    """A row for each run directory.

    Columns are named by their path in ``result.json`` (``metrics.test.auc``) and by the option
    (``model.dropout``, ``data.min_count``); lists are text. Beside them stand ``path``; ``state``:
    finished, failed, unfinished or broken, and the ``reason``; ``group``: a hash of the settings
    but for the seed.
    """
    rows = [read_run(path) for path in runs]
    names = dict.fromkeys(key for row in rows for key in row)
    return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pd.Series:
    """Whole numbers stay whole beside a gap."""
    kinds = {type(value) for value in values}
    return pd.Series(values, dtype="Int64" if kinds == {int, type(None)} else None)


def differing(table: pd.DataFrame) -> pd.DataFrame:
    """The table without the settings that all its runs share."""
    options = [name for name in table.columns if name.partition(".")[0] in OPTIONS]
    same = [name for name in options if table[name].nunique(dropna=False) <= 1]
    return table.drop(columns=[*same, "model.name", "data.name", "data.content"], errors="ignore")


def read_run(path: Path) -> dict[str, Any]:
    """A row of :func:`frame`."""
    row: dict[str, Any] = {"path": str(path), "state": BROKEN, "reason": ""}
    directory = RunDirectory(path)
    try:
        result = directory.result()
        config = directory.settings() if result or directory.config.exists() else {}
        if result is not None:
            return row | _finished(path, result, config)
        row |= _asked_for(config)
        failure = _read_failure(directory.failure)
    except UserError as error:
        return row | {"reason": str(error)}
    except OSError as error:
        return row | {"reason": describe_os_error(error)}
    if failure is not None:
        return row | {"state": FAILED, "reason": failure}
    reason = "run its command again to resume it" if path.exists() else "not begun"
    return row | {"state": UNFINISHED, "reason": reason}


def _finished(path: Path, result: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    flat = flatten(result)
    lacking = [name for name in NUMBERS if not isinstance(flat.get(name), int | float)]
    lacking += [name for name in WORDS if not isinstance(flat.get(name), str)]
    if lacking:
        raise UserError(f"{path}/result.json: lacks {lacking[0]}; delete it and run it again")
    own = result.pop("settings")
    group = digest({key: value for key, value in own.items() if key != "seed"})
    own["trainer"] = neutral("trainer") | own["trainer"]
    own["model"] = neutral(config.get("classes", {}).get("model", "")) | own["model"]
    shown = {key: config[key] for key in ("data", "split", "tuned", "recipe") if key in config}
    return {
        "state": FINISHED,
        "group": group,
        **_as_cells(flatten(result)),
        **_as_cells(flatten(shown | {k: v for k, v in own.items() if k not in ("seed", "data")})),
        "trainer.batch_size": result["batch_size"],  # as it was chosen by the rows, or set
    }


def _asked_for(config: dict[str, Any]) -> dict[str, Any]:
    """What the config of a run without a result says of it."""
    if not config:
        return {}
    return {
        "model": config["model"].get("name"),
        "data": config["data"].get("name"),
        "seed": config.get("seed"),
    }


def _read_failure(path: Path) -> str | None:
    """Why a run failed, as its ``failed.json`` says."""
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_text())
        return f"{said['message']} ({said['when']})"
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: cannot be read; delete it") from None


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _as_cells(flat: dict[str, Any]) -> dict[str, Any]:
    """Lists as text, so that cells can be compared and grouped."""
    return {
        key: json.dumps(value) if isinstance(value, list | dict) else value
        for key, value in flat.items()
    }
