"""Raw rows of pandas as a file, so that one reader reads all rows."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.criteo import Criteo
from ctrbench.data.sources.table import Table
from ctrbench.errors import UserError
from ctrbench.settings import nearest


def write_rows(rows: pd.DataFrame, source: FileSource, folder: Path) -> Path:
    """A file in a folder that the source reads: a Parquet file of the columns that it uses, or
    Criteo's text.

    Raises:
        UserError: for a column that is missing or there twice, or a source without columns.
    """
    if isinstance(source, Table):
        path, own = folder / "rows.parquet", source.settings
        used = [name for name, type_ in source.types.items() if type_.name != "skip"]
        needed = [*used, own.history.user, own.when]
        there = rows[[name for name in rows if name in needed]]
        _frame(there, own.values_separator).write_parquet(path)
        return path
    if not isinstance(source, Criteo):
        name = source.settings.name
        raise UserError(f"data={name}: its rows have no columns; ctrbench predict RUN FILE")
    names, path = [column.name for column in source.columns], folder / "rows.txt"
    for name in set(names) - set(rows):
        raise UserError(f"no column {name} in the rows; {nearest(name, map(str, rows))}")
    whole = rows[names].convert_dtypes()  # a whole number beside a gap is no 3.0
    whole.to_csv(path, sep="\t", index=False, header=False)
    return path


def _frame(rows: pd.DataFrame, separator: str) -> pl.DataFrame:
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
