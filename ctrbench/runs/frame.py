"""All runs below some folders as a table, a row each; what is not finished is a row too."""

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.config.settings import RunSettings
from ctrbench.data.settings import FileSettings
from ctrbench.errors import UserError, describe_os_error, one_line
from ctrbench.files import expanded
from ctrbench.runs.record import JOURNAL, RunDirectory
from ctrbench.runs.validate import check_result, is_count
from ctrbench.settings import digest, neutral

FINISHED, FAILED, UNFINISHED, BROKEN = "finished", "failed", "unfinished", "broken"
METRICS = tuple(f"metrics.{p}.{name}" for p in ("valid", "test") for name in ("auc", "logloss"))
# Columns of every table: what runs are, how good, and how long they took.
CORE = (
    *("path", "model", "data", "seed", "external", "status", "reason"),
    *METRICS,
    *(f"seconds.{name}" for name in ("prepare", "pretrain", "train", "to_best", "evaluate")),
    "seconds_per_epoch",
)
NAMED = ("model.name", "data.name", "data.content")  # which other columns say
MARKS = {"result.json", "failed.json", "history.jsonl", "checkpoint.pt"}
CONFIG_MARK = b"\nclasses:"  # of a resolved config: other files may be named config.yaml too
AFFECTING_RESULT = {field.name for field in fields(RunSettings) if field.metadata["affects_result"]}
OPTIONS = (AFFECTING_RESULT - {"seed"}) | {"version"}  # what runs are grouped by
# Options of a data set that its content stands for.
FILES = {f"data.{f.name}" for f in fields(FileSettings) if not f.metadata["affects_result"]}


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


def load_runs(*folders: str | Path, short: bool = False) -> pd.DataFrame:
    """Return the table of ``ctrbench.load_runs``: one row per run below the folders."""
    paths = [expanded(str(folder)) for folder in folders or ("results",)]
    return select_columns(frame(find_runs(paths)), short=short)


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


def select_columns(table: pd.DataFrame, *, short: bool = False) -> pd.DataFrame:
    """Return the table as users get it: the columns ``CORE``, whatever the runs are, so that tables
    can be concatenated; then those of the settings that differ, and all else of the records.

    ``status`` is finished, failed, unfinished or broken.

    Args:
        short: only model, data, seed, status, the settings that differ, AUC and logloss.
    """
    table = table.assign(status=table["state"])
    table = table.assign(**{name: pd.NA for name in CORE if name not in table})
    options = [name for name in table.columns if name.partition(".")[0] in OPTIONS]
    same = [name for name in options if table[name].nunique(dropna=False) <= 1]
    settings = [name for name in options if name not in (*same, *CORE, *NAMED)]
    rest = [name for name in table.columns if name not in (*options, *CORE)]
    if short:
        return table[["model", "data", "seed", "status", *settings, *METRICS]]
    return table[[*CORE, *settings, *rest]]


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
    except Exception as error:  # whatever a record of another program holds
        return row | {"reason": f"{path}: not the record of a run ({one_line(error)})"}
    if failure is not None:
        return row | {"state": FAILED, "reason": failure}
    reason = "run its command again to resume it" if path.exists() else "not begun"
    return row | {"state": UNFINISHED, "reason": reason}


def _finished(path: Path, result: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    check_result(path / "result.json", result, flatten(result))
    own = result.pop("settings")
    group = digest({key: value for key, value in own.items() if key != "seed"})
    own["trainer"] = neutral("trainer") | own["trainer"]
    own["model"] = neutral(own["model"]["name"]) | own["model"]
    shown = {key: config[key] for key in ("data", "split", "tuned", "recipe") if key in config}
    shown["split"] = neutral("split") | (shown.get("split") or {})
    return {
        **_as_cells(flatten(result)),
        **_as_cells(flatten(shown | {k: v for k, v in own.items() if k not in ("seed", "data")})),
        "trainer.batch_size": result.get("batch_size"),  # as it was chosen by the rows, or set
        # last: a foreign record may have keys of these names
        "path": str(path),
        "external": own["model"].get("external") is True,  # imported scores
        "state": FINISHED,
        "reason": "",
        "group": group,
        "overrides": _words(config.get("overrides")),
        "job": config["job"] if isinstance(config.get("job"), int) else None,
    }


def _words(overrides: Any) -> str | None:
    """Return the overrides of a run's command as text; None where it kept none."""
    is_list = isinstance(overrides, list) and all(isinstance(word, str) for word in overrides)
    return json.dumps(overrides) if overrides and is_list else None


def _asked_for(config: dict[str, Any]) -> dict[str, Any]:
    """What the config of a run without a result says of it."""
    if not config:
        return {}
    seed = config.get("seed")
    return {
        "model": str(config["model"].get("name")),
        "data": str(config["data"].get("name")),
        "seed": seed if is_count(seed) else None,
    }


def _read_failure(path: Path) -> str | None:
    """Why a run failed, as its ``failed.json`` says."""
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_text())
        return " ".join(f"{said['message']} ({said['when']})".split())
    except (ValueError, KeyError, TypeError, RecursionError):
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
