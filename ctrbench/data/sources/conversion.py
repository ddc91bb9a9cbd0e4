"""Columns of text to what a source gives: labels, times, keys, codes, numbers, parts of dates."""

import polars as pl

from ctrbench.data.schema import TIME, WEIGHT
from ctrbench.data.sources.amounts import is_missing, is_zero_date, to_numbers
from ctrbench.data.sources.column_types import DATES, Type
from ctrbench.data.sources.dates import is_too_late, to_dates
from ctrbench.data.sources.labels import EXPECTED, parse_labels, parse_ratings
from ctrbench.data.sources.lists import as_vectors, clean_lists, split_cells
from ctrbench.data.sources.rows import Cells
from ctrbench.data.sources.spelling import as_codes
from ctrbench.errors import UserError
from ctrbench.quoting import list_override

LARGEST_WEIGHT = 3e38  # of float32


def _text_column(cells: Cells, name: str, remedy: str) -> pl.Series:
    """Return a column of one value a row as text.

    Args:
        remedy: what to do where its cells are lists.
    """
    column = cells.frame[name]
    if name in cells.not_text:
        raise UserError(
            f"{cells.where(cells.not_text[name])}, column {name}: bytes that are not UTF-8 text; "
            "convert the column"
        )
    if column.dtype != pl.String:
        raise UserError(f"{cells.where(0)}, column {name}: its cells are lists; {remedy}")
    return column


def _refuse_value(
    cells: Cells, name: str, bad: pl.Series, expected: str, declare: str = ""
) -> None:
    """Raise for the first row where ``bad`` holds.

    Args:
        declare: the type by which the column can be read all the same.
    """
    if not bad.any():
        return
    row = int(bad.arg_max() or 0)
    value = cells.frame[name][row]
    shown_value = "empty" if value is None else f"{str(value)[:40]!r}"
    text = f"{cells.where(row)}, column {name}: {shown_value} is not {expected}"
    if declare:
        missing = list_override("data.missing", [str(value).strip()])
        declared = list_override("data.types", [f"{name}:{declare}"])
        text += f"; correct it, declare it missing ({missing}), or declare {declared}"
    raise UserError(text)


def _refuse_late(cells: Cells, name: str, dates: pl.Series) -> None:
    _refuse_value(cells, name, is_too_late(dates), "a date until the year 2262", "category")


def convert_labels(
    cells: Cells, name: str, positive: str | None, *, labelled: bool
) -> list[pl.Series]:
    """Return the labels, if there are any.

    Args:
        positive: the ratings that are clicks (``>=4``); None where labels are 0 and 1.
        labelled: every row must have one.
    """
    if not labelled and (name in cells.not_text or cells.frame[name].dtype != pl.String):
        return []
    text, expected = _text_column(cells, name, "a label is one value a row"), EXPECTED
    if positive is None:
        parsed = parse_labels(text)
    else:
        parsed, expected = parse_ratings(text, positive), f"a number (data.positive={positive})"
    if labelled:
        _refuse_value(cells, name, parsed.is_null(), expected)
    return [parsed]


def convert_times(cells: Cells, name: str, type_: Type) -> pl.Series:
    """Return numbers that grow with time: those of the column, or microseconds of its dates."""
    text = _text_column(cells, name, "a time is one value a row").str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if type_.name in DATES or type_.form is not None or numbers.null_count() > text.null_count():
        dates = to_dates(text, type_.form)
        _refuse_late(cells, name, dates)
        numbers = dates.to_physical().cast(pl.Float64)
    bad = ~numbers.is_finite().fill_null(False)
    _refuse_value(cells, name, bad, "a time; give numbers or dates (YYYY-MM-DD HH:MM:SS)")
    return numbers.alias(TIME)


def convert_weights(cells: Cells, name: str) -> pl.Series:
    """Return the weights of rows."""
    text = _text_column(cells, name, "a weight is one number a row").str.strip_chars()
    weights = text.cast(pl.Float64, strict=False)
    bad = ~weights.is_between(0, LARGEST_WEIGHT).fill_null(False)
    _refuse_value(cells, name, bad, "a weight; give a number from 0 up")
    return weights.alias(WEIGHT)


def convert_keys(cells: Cells, name: str) -> pl.Series:
    """Return the keys of users or groups; null where a row has none."""
    column = _text_column(cells, name, "a user or a group is one value a row")
    return as_codes(column).set(is_missing(column.str.strip_chars()), None)


def _convert_vectors(cells: Cells, name: str, length: int, separator: str) -> pl.Series:
    """Return vectors as arrays, null where one is missing."""
    lists = as_vectors(cells.frame[name], separator)
    is_number = lists.list.eval(pl.element().is_finite().fill_null(False))
    if (bad := ~is_number.list.all().fill_null(True)).any():
        row = int(bad.arg_max() or 0)
        raise UserError(
            f"{cells.where(row)}, column {name}: a vector with a value that is not a finite "
            "number; correct it"
        )
    lengths = lists.list.len()
    if (bad := (lengths != length).fill_null(False)).any():
        row = int(bad.arg_max() or 0)
        raise UserError(
            f"{cells.where(row)}, column {name}: a vector of {lengths[row]} numbers, expected "
            f"{length}; give every row as many"
        )
    return lists.list.to_array(length)


def convert_column(cells: Cells, name: str, type_: Type, separator: str) -> list[pl.Series]:
    """Return the columns that a source makes of a column of a type.

    Args:
        separator: of the values in a cell, unless the type has one.
    """
    if type_.name == "multi" and isinstance(cells.frame[name].dtype, pl.List):
        return [as_codes(clean_lists(cells.frame[name]))]
    if type_.name == "vector":
        return [_convert_vectors(cells, name, int(type_.form or 0), separator)]
    column = _text_column(cells, name, f"declare {list_override('data.types', [f'{name}:multi'])}")
    if type_.name == "multi":
        return [as_codes(split_cells(column, type_.form or separator))]
    if type_.name == "category":
        return [as_codes(column)]
    text = column.str.strip_chars()
    missing = is_missing(text)
    text = text.set(missing, None)
    if type_.name == "number":
        return [_convert_numbers(cells, name, text, type_.form)]
    text = text.set(is_zero_date(text), None)
    dates = to_dates(text, type_.form)
    expected = "a date (where day and month are unclear, write YYYY-MM-DD)"
    _refuse_value(cells, name, dates.is_null() & text.is_not_null(), expected, "category")
    _refuse_late(cells, name, dates)
    weekday = dates.dt.weekday()
    parts = {"hour": dates.dt.hour(), "weekday": weekday, "weekend": weekday > 5}
    fields = [parts[c.name.rpartition(".")[2]].alias(c.name) for c in type_.columns(name)]
    return [part.cast(pl.UInt8) for part in fields]


def _convert_numbers(cells: Cells, name: str, text: pl.Series, form: str | None) -> pl.Series:
    """Return stripped text as numbers; numbers of the file itself have no form."""
    numbers = to_numbers(text, None if name in cells.numbers else form)
    bad = text.is_not_null() & ~numbers.is_finite().fill_null(False)
    _refuse_value(cells, name, bad, "a finite number", "category")
    return numbers
