"""Raw rows of a data frame as a file, so that one reader reads all rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.criteo import Criteo
from ctrbench.data.sources.spelling import as_codes, as_text, has_text, spell_object
from ctrbench.data.sources.table import Table
from ctrbench.data.store.stages import write_parquet
from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.settings import nearest


def write_rows(rows: Any, source: FileSource, folder: Path) -> Path:
    """Write the columns that a source uses to a file in a folder, in a layout that it reads.

    Args:
        rows: a data frame of pandas or polars, or a table of Arrow (pyarrow, DuckDB).

    Raises:
        UserError: for rows of another kind, a column that is missing or there twice, or a source
            without columns.
    """
    if isinstance(source, Table):
        own = source.settings
        used = {name for name, type_ in source.types.items() if type_.name != "skip"}
        separators = {name: source.separator_of(name) for name in used}
        frame = to_polars(rows, {*used, own.history.user, own.when}, separators)
        write_parquet(frame, folder / "rows.parquet")
        return folder / "rows.parquet"
    if not isinstance(source, Criteo):
        name = source.settings.name
        raise UserError(f"data={name}: its rows have no columns; ctrbench predict RUN FILE")
    names = [column.name for column in source.columns]
    frame = to_polars(rows, set(names), {})
    for name in names:
        if name not in frame.columns:
            raise UserError(f"no column {name} in the rows; {nearest(name, frame.columns)}")
    texts = [_criteo_cells(frame[name]) for name in names]
    text = pl.DataFrame(texts).write_csv(separator="\t", include_header=False, quote_style="never")
    write_atomic(folder / "rows.txt", text)
    return folder / "rows.txt"


def frame_columns(rows: Any) -> list[str | None]:
    """Return the names of the columns of a data frame.

    Raises:
        UserError: for rows of another kind.
    """
    if isinstance(rows, pd.DataFrame):
        return [str(name) for name in rows.columns]
    if isinstance(rows, pl.LazyFrame):
        return list(rows.collect_schema().names())
    if not hasattr(rows, "__arrow_c_stream__"):
        raise _no_frame(rows)
    return list(pl.DataFrame(rows).columns)


def _no_frame(rows: Any) -> UserError:
    return UserError(
        f"rows of type {type(rows).__name__}: give a data frame of pandas or polars, or an Arrow "
        "table"
    )


def to_polars(rows: Any, names: set[str | None], separators: Mapping[str, str]) -> pl.DataFrame:
    """Return the named columns of a data frame that it has, for polars.

    Args:
        separators: by columns, of the values in a cell of text that stands among lists.
    """
    if isinstance(rows, pd.DataFrame):
        columns = [str(name) for name in rows.columns]
        for name in names:
            if columns.count(str(name)) > 1:
                raise UserError(f"two columns of the rows are named {name}; rename one")
        return pl.DataFrame(
            [
                _from_pandas(name, column, separators.get(name, "|"))
                for name, (_, column) in zip(columns, rows.items(), strict=True)
                if name in names
            ]
        )
    if isinstance(rows, pl.LazyFrame):
        rows = rows.collect()
    if not hasattr(rows, "__arrow_c_stream__"):
        raise _no_frame(rows)
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    return pl.DataFrame(
        [
            _from_objects(column.name, column.to_list(), separators.get(column.name, "|"))
            if column.dtype == pl.Object
            else column
            for column in frame
            if column.name in names
        ]
    )


def _from_pandas(name: str, column: pd.Series, separator: str) -> pl.Series:
    """Return a column of pandas for polars, without pyarrow: times without their zone."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_localize(None)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        column = column.astype("datetime64[us]")
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufM":
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    return _from_objects(name, list(column), separator)


def _from_objects(name: str, values: list[Any], separator: str) -> pl.Series:
    """Return Python objects as text, or as lists of text where one of them is a list."""
    cells = []
    for row, value in enumerate(values, start=1):
        try:
            cells.append(spell_object(value))
        except UnicodeDecodeError:
            raise UserError(
                f"row {row}, column {name}: bytes that are not UTF-8 text; convert the column"
            ) from None
    if not any(isinstance(cell, list) for cell in cells):
        return pl.Series(name, cells, pl.String)
    lists = [cell.split(separator) if isinstance(cell, str) else cell for cell in cells]
    return pl.Series(name, lists, pl.List(pl.String))


def _criteo_cells(column: pl.Series) -> pl.Series:
    """Return a column as the text of Criteo's layout, whole numbers without a ``.0``."""
    if not has_text(column.dtype) or isinstance(column.dtype, pl.List | pl.Array):
        raise UserError(f"column {column.name}: values of type {column.dtype} are not read")
    text = column.to_frame().select(as_text(pl.col(column.name), column.dtype)).to_series()
    if text.dtype == pl.Binary:
        text = _from_objects(column.name, text.to_list(), "\t")
    return as_codes(text)
