"""A run directory opened from Python, in pandas' and numpy's terms."""

import json
import tempfile
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy.special import expit

from ctrbench.errors import UserError
from ctrbench.files import file_digest
from ctrbench.runs.record import Results, RunDirectory
from ctrbench.settings import nearest

if TYPE_CHECKING:
    from ctrbench.runs.opened import OpenedRun

Floats = npt.NDArray[np.float32]


class Run:
    """What a run directory says; its model is loaded when it is first asked for.

    Raises:
        UserError: if the folder is none of a run.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.directory = path, RunDirectory(path)
        if not self.directory.config.exists():
            raise UserError(f"{path}: not a run; name a directory with a config.yaml")

    def __repr__(self) -> str:
        return f"<run {self.path}>"

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
        lines = path.read_text().splitlines() if path.exists() else []
        return pd.DataFrame([json.loads(line) for line in lines])

    @cached_property
    def logits(self) -> Floats:
        """Of the test rows, in their order.

        Raises:
            UserError: if the run has not scored them, or the file was changed since.
        """
        logits: Floats = np.load(self._as_written(self.directory.logits))
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
            packed = np.load(self._as_written(self.directory.labels))
            labels = np.unpackbits(packed, count=int(self.result["dataset"]["rows"]["test"]))
            return labels
        store = self.store
        if store is None:
            raise UserError(f"{self.path}: the store of its rows is not here; it has their labels")
        labels = np.load(store / "test.labels.npy")
        return labels

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
            raise UserError(f"{path}: not there; a run keeps it once it is finished")
        known = (self.result or {}).get("files", {}).get(path.name)
        if known is not None and file_digest(path) != known:
            raise UserError(f"{path}: not the {path.stem} that were written here; run it again")
        return path

    @cached_property
    def opened(self) -> "OpenedRun":
        """Its model with the best weights, and the encoder of its rows."""
        from ctrbench.runs.opened import OpenedRun

        return OpenedRun(self.path)

    def predictions(self, rows: pd.DataFrame) -> Floats:
        """Probabilities of a click, one for each of the raw rows.

        Args:
            rows: with the columns of the run's files, their values as read or as text; a label is
                not needed. Codes that look like something else (``007``, ``NA``) are to be read as
                text: ``pandas.read_csv(path, dtype=str, keep_default_na=False)``.

        Raises:
            UserError: for a column that is missing, a value that does not fit, or a data set whose
                rows have no columns.
        """
        with tempfile.TemporaryDirectory() as folder:  # so that one reader reads all rows
            path = self._written(rows, Path(folder))
            logits = [logits_N.numpy() for _, logits_N in self.opened.scored(path)]
        probabilities: Floats = expit(np.concatenate(logits))
        return probabilities

    def _written(self, rows: pd.DataFrame, folder: Path) -> Path:
        """A file of rows in a layout that the run's source reads."""
        from ctrbench.data.sources.criteo import Criteo
        from ctrbench.data.sources.table import Table

        source = self.opened.source
        if isinstance(source, Table):
            path, own = folder / "rows.parquet", source.settings
            used = [name for name, type_ in source.types.items() if type_.name != "skip"]
            needed = [*used, own.history.user, own.when]
            there = rows[[name for name in rows if name in needed]]
            frame_of(there, own.values_separator).write_parquet(path)
            return path
        if not isinstance(source, Criteo):
            raise UserError(
                f"{self.path}: rows of this data set have no columns; ctrbench predict RUN FILE"
            )
        names, path = [column.name for column in source.columns], folder / "rows.txt"
        for name in set(names) - set(rows):
            raise UserError(f"no column {name} in the rows; {nearest(name, map(str, rows))}")
        whole = rows[names].convert_dtypes()  # a whole number beside a gap is no 3.0
        whole.to_csv(path, sep="\t", index=False, header=False)
        return path


def frame_of(rows: pd.DataFrame, separator: str) -> pl.DataFrame:
    """The same rows for polars, without pyarrow: times without their zone, arrays as lists.

    Args:
        separator: of the values in a cell of text that stands among lists.

    Raises:
        UserError: for a name that is there twice.
    """
    if not rows.columns.is_unique:
        twice = rows.columns[rows.columns.duplicated()][0]
        raise UserError(f"two columns of the rows are named {twice}; rename one")
    return pl.DataFrame([_series(str(name), own, separator) for name, own in rows.items()])


def _series(name: str, column: pd.Series, separator: str) -> pl.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize(None)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        column = column.astype("datetime64[us]")
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufM":
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    gaps = column.map(lambda cell: pd.api.types.is_scalar(cell) and pd.isna(cell))
    cells = [None if gap else _cell(cell) for cell, gap in zip(column, gaps, strict=True)]
    kinds = {type(cell) for cell in cells} - {type(None)}
    if list in kinds:
        return pl.Series(name, [None if c is None else _items(c, separator) for c in cells])
    if len(kinds) > 1 or not kinds <= {bool, int, float, str, datetime, date}:
        cells = [None if cell is None else str(cell) for cell in cells]
    return pl.Series(name, cells, strict=False)


def _cell(cell: Any) -> Any:
    if isinstance(cell, np.ndarray | np.generic):
        return cell.tolist()
    return list(cell) if isinstance(cell, tuple | set) else cell


def _items(cell: Any, separator: str) -> list[str | None]:
    """The values of a cell of a column of lists."""
    if isinstance(cell, str):
        return list(cell.split(separator))
    items = cell if isinstance(cell, list) else [cell]
    return [None if item is None else str(item) for item in items]
