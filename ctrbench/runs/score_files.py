"""Scores that another system gave: read from files, arrays and data frames, and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy.special import logit

from ctrbench.data.sources.raw import why_no_file
from ctrbench.errors import UserError
from ctrbench.runs.rows import to_polars
from ctrbench.settings import nearest

PROBABILITY, LOGITS = ("probability", "probabilities"), ("logit", "logits")  # names of columns
LEAST = 1e-7  # that probabilities are kept from 0 and 1
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoreFormat:
    """How scores are written.

    Attributes:
        row: the column of row numbers, if there is one.
        label: the column of labels, if there is one.
        column: of the scores; None: ``probability``, ``logit``, or the only one.
        logits: whether they are logits, whatever the column is named.
    """

    row: str
    label: str
    column: str | None = None
    logits: bool = False


class Scores:
    """The scores of one split as they were given.

    Args:
        given: a path (CSV, TSV, Parquet or .npy), an array, a list, or a data frame of pandas,
            polars or Arrow.
        name: of them in messages, where they are no file.

    Attributes:
        values: one for each row, float64.
        rows: their numbers within the data set, or None: in the order of the rows.
        labels: as they were given, or None.
        is_logit: whether the values are logits.
    """

    def __init__(self, given: Any, name: str, form: ScoreFormat) -> None:
        is_path = isinstance(given, str | Path)
        self.name, self.form = str(given) if is_path else name, form
        content = self._read_file(Path(given).expanduser()) if is_path else given
        frame = self._as_frame(content)
        column = form.column or self._only_column(frame)
        if column not in frame.columns:
            raise UserError(f"{self.name}: no column {column}; {nearest(column, frame.columns)}")
        self.is_logit = form.logits or column in LOGITS
        self.values = self._numbers(frame, column)
        self.rows = self._whole_numbers(frame, form.row)
        self.labels = self._whole_numbers(frame, form.label)

    def _read_file(self, path: Path) -> Any:
        if what := why_no_file(path):
            raise UserError(f"{path}: {what}; name a file of scores")
        with path.open("rb") as file:
            start = file.read(6)
        try:
            if start == b"\x93NUMPY":
                return np.load(path)
            if start[:4] == b"PAR1":
                return pl.read_parquet(path, glob=False)
            return _read_text(path)
        except (pl.exceptions.PolarsError, ValueError, EOFError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{path}: not scores in CSV, TSV, Parquet or .npy ({reason})") from None

    def _as_frame(self, content: Any) -> pl.DataFrame:
        if isinstance(content, pd.DataFrame):
            return to_polars(content, set(map(str, content.columns)), {})
        is_column = isinstance(content, pd.Series | pl.Series)
        if hasattr(content, "__arrow_c_stream__") and not is_column:
            return content if isinstance(content, pl.DataFrame) else pl.DataFrame(content)
        try:
            values = np.asarray(content, np.float64)
        except (TypeError, ValueError):
            raise UserError(
                f"{self.name}: not numbers; give an array, a data frame, or a path"
            ) from None
        if values.ndim == 2 and 1 in values.shape:
            values = values.ravel()
        if values.ndim != 1:
            raise UserError(
                f"{self.name}: an array of shape {values.shape}; give one number a row (of two "
                "classes, the probability of a click alone)"
            )
        return pl.DataFrame({PROBABILITY[0]: values})

    def _only_column(self, frame: pl.DataFrame) -> str:
        known = [name for name in frame.columns if name in (*PROBABILITY, *LOGITS)]
        others = [name for name in frame.columns if name not in (self.form.row, self.form.label)]
        for names in (known, others):
            if len(names) == 1:
                return names[0]
        listed = ", ".join(others[:5]) or "none"
        raise UserError(f"{self.name}: which column has the scores? ({listed}); column=NAME")

    def _numbers(self, frame: pl.DataFrame, column: str) -> Floats:
        numbers = frame[column].cast(pl.Float64, strict=False)
        values: Floats = numbers.fill_null(float("nan")).to_numpy()
        if len(bad := np.flatnonzero(~np.isfinite(values))):
            raise UserError(f"{self._cell(frame, column, bad[0])} is not a finite number")
        return values

    def _whole_numbers(self, frame: pl.DataFrame, column: str) -> npt.NDArray[np.int64] | None:
        if column not in frame.columns:
            return None
        numbers = frame[column].cast(pl.Float64, strict=False).fill_null(0.5).to_numpy()
        if len(bad := np.flatnonzero(numbers % 1)):
            raise UserError(f"{self._cell(frame, column, bad[0])} is not a whole number")
        return numbers.astype(np.int64)

    def _cell(self, frame: pl.DataFrame, column: str, row: int) -> str:
        value = frame[column][int(row)]
        cell = "empty" if value is None else repr(value)
        return f"{self.name}, row {row + 1}, column {column}: {cell}"

    def logits(self, rows_N: npt.NDArray[np.int64] | None, labels_N: npt.NDArray[Any]) -> Floats:
        """Return the logits in the order of the rows of the split.

        Args:
            rows_N: the numbers of these rows, where the scores have row numbers.
            labels_N: of these rows.

        Raises:
            UserError: if the scores are not one for each row, are no probabilities, or stand
                beside other labels.
        """
        if len(self.values) != len(labels_N):
            raise UserError(
                f"{self.name}: {len(self.values):,} scores, for {len(labels_N):,} rows; give one "
                "for each row (ctrbench rows writes them)"
            )
        order_N = np.arange(len(labels_N)) if rows_N is None else self._order(rows_N)
        if self.labels is not None:
            self._check_labels(order_N, labels_N)
        values = self.values[order_N]
        return values if self.is_logit else self._to_logits(values)

    def _order(self, rows_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the position of each of the rows among the scores."""
        assert self.rows is not None
        order = np.argsort(self.rows, kind="stable")
        given = self.rows[order]
        if len(repeated := np.flatnonzero(given[1:] == given[:-1])):
            raise UserError(
                f"{self.name}: {self.form.row} {given[repeated[0]]} stands in it twice; give every "
                "row once"
            )
        if len(wrong := np.flatnonzero(given != rows_N)):
            raise UserError(
                f"{self.name}: {self.form.row} {given[wrong[0]]} is no row of this split; give the "
                "rows that ctrbench rows writes"
            )
        return order

    def _check_labels(self, order_N: npt.NDArray[np.int64], labels_N: npt.NDArray[Any]) -> None:
        assert self.labels is not None
        given = self.labels[order_N] > 0
        if len(wrong := np.flatnonzero(given != (labels_N > 0))):
            first = int(order_N[wrong[0]])
            raise UserError(
                f"{self.name}, row {first + 1}: {self.form.label} is {self.labels[first]}, but "
                f"{labels_N[wrong[0]]} in the data set ({len(wrong):,} rows differ); are they the "
                "same rows, in their order?"
            )

    def _to_logits(self, values: Floats) -> Floats:
        outside = np.flatnonzero((values < 0) | (values > 1))
        if len(outside):
            raise UserError(
                f"{self.name}: {values[outside[0]]:g} is no probability; of logits, say logits=true"
            )
        logits: Floats = logit(np.clip(values, LEAST, 1 - LEAST))
        return logits

    @property
    def clipped(self) -> int:
        """The number of probabilities of 0 or 1, whose logits would be infinite."""
        near = (self.values < LEAST) | (self.values > 1 - LEAST)
        return 0 if self.is_logit else int(near.sum())


def _read_text(path: Path) -> pl.DataFrame:
    """Read a text file with a header, or with one score a line."""
    first = pl.read_csv(path, has_header=False, n_rows=1, separator="\n", quote_char=None)
    line = "" if first.is_empty() else str(first.item())
    separator = next((mark for mark in ("\t", ";") if mark in line), ",")
    has_header = any(not _is_number(cell) for cell in line.split(separator))
    frame = pl.read_csv(path, has_header=has_header, separator=separator, infer_schema=False)
    is_alone = not has_header and len(frame.columns) == 1
    return frame.rename({frame.columns[0]: PROBABILITY[0]}) if is_alone else frame


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
