"""One spelling of a value in every way that it can arrive.

Values become text first: a cell of CSV is text, a value of a Parquet column or of a frame becomes
text by its type (:func:`as_text`), a Python object by :func:`spell_object`. Text that stands for
one value then has one spelling (:func:`as_codes`):

    1     1.0, 1.00 (whole numbers beside a gap, Decimals), true, True, TRUE
    0     0.0, 0.00, false, False, FALSE
    4.5   Decimal 4.50; as text, 4.5 and 4.50 are two values, as versions are
    2024-03-01 08:30:00   2024-03-01T08:30:00.000; midnight is the date alone
"""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), "1"),
    **dict.fromkeys(("false", "False", "FALSE"), "0"),
}
WHOLE = r"^(-?\d+)\.0+$"
ISO_TIME = r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:(\.\d*?)0*)?$"


def as_codes(column: pl.Series) -> pl.Series:
    """Return a column of text, or of lists of text, with one spelling of each value."""
    if isinstance(column.dtype, pl.List):
        elements = pl.element().map_batches(as_codes, return_dtype=pl.String)
        return column.list.eval(elements)
    if column.is_in(list(BOOLEANS)).any():
        column = column.replace(BOOLEANS)
    is_whole = column.str.ends_with(".0") | column.str.ends_with("00")
    column = _respell(
        column, is_whole, lambda text: text.str.replace(WHOLE, "$1").replace("-0", "0")
    )
    return _respell(column, column.str.contains(r"^\d{4}-\d\d-\d\d[T ]"), _spell_times)


def _respell(column: pl.Series, chosen: pl.Series, spell: Any) -> pl.Series:
    """Apply a slow function to the chosen values alone: most columns have none."""
    places = chosen.fill_null(False).arg_true()
    return column.scatter(places, spell(column.gather(places))) if len(places) else column


def _spell_times(text: pl.Series) -> pl.Series:
    spelled = text.str.replace(ISO_TIME, "$1 $2$3").str.strip_suffix(".")
    return spelled.str.strip_suffix(" 00:00:00")


def has_text(kind: Any) -> bool:
    """Return whether values of a polars type can be written as text, or as lists of text.

    An array of fractions is a vector, not a set of codes.
    """
    if isinstance(kind, pl.Array) and kind.inner.is_float():
        return False
    if isinstance(kind, pl.List | pl.Array):
        kind = kind.inner
    return not (kind.is_nested() or isinstance(kind, pl.Object | pl.Duration))


def as_text(column: pl.Expr, kind: Any) -> pl.Expr:
    """Return a column of a type that :func:`has_text` as text; bytes stay bytes.

    An empty text and a floating-point NaN are missing.
    """
    if isinstance(kind, pl.Array):
        column, kind = column.arr.to_list(), pl.List(kind.inner)
    if isinstance(kind, pl.List):
        return column.list.eval(_value_text(pl.element(), kind.inner))
    text = _value_text(column, kind)
    return text if isinstance(kind, pl.Binary) else pl.when(text != "").then(text)


def _value_text(column: pl.Expr, kind: Any) -> pl.Expr:
    if isinstance(kind, pl.Binary):
        return column
    if isinstance(kind, pl.Datetime):
        column = column.dt.replace_time_zone(None)
    if kind.is_float():
        column = column.fill_nan(None)
    text = column.cast(pl.String)
    if isinstance(kind, pl.Decimal) and kind.scale:
        text = text.str.strip_chars_end("0").str.strip_chars_end(".")
    return text


def spell_object(value: Any) -> Any:
    """Return the text of a Python object, or a list of texts; None where it is missing.

    Raises:
        UnicodeDecodeError: for bytes that are no UTF-8 text.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [spell_object(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(spell_object(item) for item in value)
    if isinstance(value, enum.Enum):
        return spell_object(value.value)
    if value is None or (value != value) is not False:  # NaN, and pandas' NaT and NA
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode()
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)
