"""A run directory opened from Python, in pandas' and numpy's terms."""

import json
import tempfile
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from ctrbench.errors import UserError
from ctrbench.results import Results
from ctrbench.runs.record import AGAIN, ANEW, RunDirectory

if TYPE_CHECKING:
    from ctrbench.runs.opened import OpenedRun

Floats = npt.NDArray[np.float32]


def _read_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    """Read a line of a history."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise UserError(f"{path}, line {number}: not an evaluation of a run; {ANEW}")
    return values


def _load(path: Path, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Read a file of one value a row; nothing in it is executed."""
    try:
        array = np.load(path)
    except (ValueError, EOFError, MemoryError, SyntaxError, TypeError):  # of numpy's parser
        array = None
    if not (isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype == dtype):
        raise UserError(f"{path}: not an array that ctrbench writes; {ANEW}")
    return array


class Run:
    """What a run directory says; its model is loaded when it is first asked for.

    Args:
        trust: whether code from outside the package that the run keeps may be executed then.

    Raises:
        UserError: if the folder is none of a run.
    """

    def __init__(self, path: Path, *, trust: bool = False) -> None:
        self.path, self.directory, self.trust = path, RunDirectory(path), trust
        if not self.directory.config.exists():
            raise UserError(f"{path}: not a run; name a directory with a config.yaml")

    def __repr__(self) -> str:
        return f"{self._summary().to_string(index=False)}\n{self.path}"

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return f"{self._summary().to_html(index=False)}<code>{escape(str(self.path))}</code>"

    def _summary(self) -> pd.DataFrame:
        """A row: what was trained, and how good it is."""
        config = self.config
        row = {"model": config["model"].get("name"), "data": config["data"].get("name")}
        row |= {"seed": config.get("seed")}
        if self.result is None:
            return pd.DataFrame([row | {"status": "not finished"}])
        for part, figures in self.metrics.items():
            row |= {f"{part} {name}": figures[name] for name in ("auc", "logloss")}
        return pd.DataFrame([row | {"training, s": self.result["seconds"]["train"]}]).round(5)

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """The metrics of the validation and the test rows, as ``result.json`` has them.

        Raises:
            UserError: if the run is not finished.
        """
        if self.result is None:
            raise UserError(f"{self.path}: not a finished run")
        metrics: dict[str, dict[str, Any]] = self.result["metrics"]
        return metrics

    def plot_history(self) -> Any:
        """Return a figure of matplotlib: logloss and AUC by evaluation.

        Raises:
            UserError: of a run without evaluations.
        """
        from matplotlib.figure import Figure

        history = self.history
        if history.empty:
            raise UserError(f"{self.path}: has no evaluations yet")
        figure = Figure(figsize=(8, 3), layout="constrained")
        panels = figure.subplots(1, 2)
        steps = range(1, len(history) + 1)
        for panel, names in zip(
            panels, (("train_loss", "valid_logloss"), ("valid_auc",)), strict=True
        ):
            for name in names:
                panel.plot(steps, history[name], marker="o", label=name.replace("_", " "))
            panel.set_xlabel("evaluation")
            panel.legend(frameon=False)
        return figure

    @cached_property
    def config(self) -> dict[str, Any]:
        """All its settings."""
        return self.directory.settings()

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """What ``result.json`` says; None of a run that is not finished."""
        return self.directory.result()

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row for each evaluation; none yet of a run that has just begun."""
        path = self.directory.history
        lines = self._as_written(path).read_bytes().splitlines() if path.exists() else []
        return pd.DataFrame([_read_line(path, i, line) for i, line in enumerate(lines, 1)])

    @cached_property
    def logits(self) -> Floats:
        """Of the test rows, in their order.

        Raises:
            UserError: if the run has not scored them, or the file was changed since.
        """
        logits: Floats = _load(self._as_written(self.directory.logits), np.float32)
        return logits

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """Of the test rows, in the order of the logits.

        Raises:
            UserError: if the file was changed, or if a run that kept none has no store beside it.
        """
        if self.result is None:
            raise UserError(f"{self.path}: not a finished run")
        labels: npt.NDArray[np.uint8]
        if self.directory.labels.exists():
            path, rows = self._as_written(self.directory.labels), self._test_rows(self.result)
            packed = _load(path, np.uint8)
            if len(packed) != -(-rows // 8):
                raise UserError(f"{path}: not the labels of {rows:,} test rows; {ANEW}")
            labels = np.unpackbits(packed, count=rows)
            return labels
        store = self.store
        if store is None:
            raise UserError(f"{self.path}: the store of its rows is not here; it has their labels")
        labels = _load(store / "test.labels.npy", np.uint8)
        return labels

    @property
    def valid_logits(self) -> Floats:
        """Of the validation rows, in their order, by the weights that were chosen on them.

        Raises:
            UserError: if the file was changed, or the run has none, as those of before 0.3.
        """
        logits: Floats = _load(self._as_written(self.directory.valid_logits), np.float32)
        return logits

    @property
    def valid_labels(self) -> npt.NDArray[np.uint8]:
        """Of the validation rows, in the order of their logits; errors are theirs."""
        packed = _load(self._as_written(self.directory.valid_labels), np.uint8)
        return np.unpackbits(packed, count=min(len(self.valid_logits), 8 * len(packed)))

    @cached_property
    def row_weights(self) -> Floats | None:
        """Of the test rows, in the order of the logits; None where all rows count the same.

        Raises:
            UserError: if the file was changed, or is not there.
        """
        path = self.directory.row_weights
        if path.name not in (self.result or {}).get("files", {}):
            return None
        weights: Floats = _load(self._as_written(path), np.float32)
        if len(weights) != len(self.logits):
            raise UserError(f"{path}: not the weights of {len(self.logits):,} test rows; {AGAIN}")
        return weights

    @property
    def negative_rate(self) -> float | None:
        """The share of the rows without a click that its data kept; None: all."""
        rate = self.config["data"].get("negative_rate")
        return float(rate) if isinstance(rate, int | float) else None

    def _test_rows(self, result: dict[str, Any]) -> int:
        try:
            rows = int(result["dataset"]["rows"]["test"])
        except (KeyError, TypeError, ValueError, OverflowError):
            rows = 0
        if rows < 1:
            raise UserError(f"{self.path}/result.json: lacks dataset.rows.test; {ANEW}")
        return rows

    @cached_property
    def store(self) -> Path | None:
        """The prepared rows, where they are still where the run was trained or has been moved."""
        result = self.result
        if result is None:
            return None
        above = self.path.resolve().parents
        for place in (self.config.get("results", "results"), *above[3:4]):
            folder = Results(place).store(result["data"], result["dataset"]["content"])
            if (folder / "test.labels.npy").exists():
                return folder
        return None

    def _as_written(self, path: Path) -> Path:
        """A file of the run, unless it was changed since."""
        if not path.exists():
            raise UserError(f"{path}: no such file; {AGAIN}")
        self.directory.check(path)
        return path

    @cached_property
    def opened(self) -> "OpenedRun":
        """Its model with the best weights, and the encoder of its rows."""
        from ctrbench.runs.opened import OpenedRun

        return OpenedRun(self.path, trust=self.trust)

    def predictions(self, rows: Any) -> Floats:
        """Probabilities of a click, one for each of the raw rows.

        Args:
            rows: a data frame of pandas or polars, or an Arrow table, with the columns of the run's
                files; a label is not needed. Codes that look like something else (``007``, ``NA``)
                are to be read as text: ``pandas.read_csv(path, dtype=str, keep_default_na=False)``.

        Raises:
            UserError: for a column that is missing, a value that does not fit, or a data set whose
                rows have no columns.
        """
        from ctrbench.runs.rows import write_rows

        with tempfile.TemporaryDirectory() as folder:  # so that one reader reads all rows
            path = write_rows(rows, self.opened.source, Path(folder))
            logits = [logits_N.numpy() for _, logits_N in self.opened.scored(path)]
        probabilities: Floats = expit(np.concatenate(logits))
        return probabilities
