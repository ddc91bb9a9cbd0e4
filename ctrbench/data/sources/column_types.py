"""The types of a table's columns, as declared, or inferred from its first rows."""

import re
from dataclasses import dataclass
from datetime import time
from functools import cache
from pathlib import Path

import polars as pl

from ctrbench.data.schema import CATEGORICAL, MULTI, NUMERIC, Column
from ctrbench.data.sources.cells import cells_of, unread
from ctrbench.data.sources.dates import forms_of, like_dates, to_dates

DATES = ("date", "day")
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N"]  # of numbers and dates
REPEATS = 20  # rows a distinct integer has in the mean where it is a code
FEW = 100  # rows below which nothing is concluded from all values being different
# user_id, ZIP and userId, but not grid.
CODE_NAME = re.compile(
    r"(?i:(^|[^a-z])(ids?|code|key|zip|hash)$)|[a-z](I[dD]s?|Code|Key|Zip|Hash)$"
)
WHOLE = r"^(-?\d+)\.0$"


@dataclass(frozen=True)
class Type:
    """The type of a column and, of a date, its form unless it is ISO 8601."""

    name: str
    form: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.form}" if self.form else self.name

    def columns(self, name: str) -> list[Column]:
        """The columns that a source makes of one of this type."""
        if self.name in DATES:
            parts = ["hour", "weekday", "weekend"][self.name == "day" :]
            return [Column(f"{name}.{part}", CATEGORICAL) for part in parts]
        kinds = {"category": CATEGORICAL, "number": NUMERIC, "multi": MULTI}
        return [Column(name, kinds[self.name])] if self.name in kinds else []


@dataclass(frozen=True)
class Found:
    """What the first values of a column suggest.

    Attributes:
        note: why it is left out, or what else it may be and how to declare it.
        ask: what the user has to say before its values can be read.
        is_read: false for values that have no text.
        of_all: true of what the first values suggest only where they are all.
    """

    type: Type
    note: str = ""
    ask: str = ""
    is_read: bool = True
    of_all: bool = False


@cache
def infer(path: Path, version: tuple[int, ...], separator: str | None) -> dict[str, Found]:
    """The type of every column of a version of a file."""
    blocks = cells_of(path, separator)
    frame = next(blocks)[1]().frame
    kinds, is_whole = unread(path), next(blocks, None) is None
    return {
        column.name: _unread(kinds[column.name])
        if column.name in kinds
        else _found(column, is_whole=is_whole)
        for column in frame
    }


def as_codes(column: pl.Series) -> pl.Series:
    """Codes of one spelling: whole numbers without the ``.0`` that a gap in their column brings,
    booleans as Parquet has them."""
    if column.str.ends_with(".0").any():
        column = column.str.replace(WHOLE, "$1")
    if column.is_in(["True", "False", "TRUE", "FALSE"]).any():
        column = column.str.replace("^(?i:true)$", "true").str.replace("^(?i:false)$", "false")
    return column


def is_missing(text: pl.Series) -> pl.Series:
    """Where a number or a date is missing, of stripped text."""
    return text.is_null() | text.is_in(MISSING)


def _unread(kind: str) -> Found:
    return Found(Type("skip"), f"values of type {kind} are not used", is_read=False)


def _found(column: pl.Series, *, is_whole: bool) -> Found:
    """What the first values say, which may be all."""
    if column.dtype != pl.String:
        return Found(Type("multi"))
    text = as_codes(column.str.strip_chars())
    present = text.filter(~is_missing(text))
    found = _of_values(present, len(column))
    if is_whole or not found.of_all:
        return found
    first = f"the first {len(column):,} {found.note.removeprefix('all ')}"
    return Found(Type("category"), f"{first}; skip? data.types=[{column.name}:skip]")


def _of_values(present: pl.Series, all_rows: int) -> Found:
    if present.is_empty():
        return Found(Type("skip"), "all values are missing", of_all=True)
    distinct, rows = present.n_unique(), len(present)
    if distinct == 1 and rows == all_rows:
        return Found(Type("skip"), "all values are equal", of_all=True)
    numbers = present.cast(pl.Float64, strict=False)
    if not numbers.has_nulls():
        return _of_numbers(present, numbers, distinct)
    if forms := forms_of(present):
        return _of_dates(present, forms)
    hint = _date_hint(present)
    if distinct == rows >= FEW:
        return _different(hint)
    return Found(Type("category"), hint)


def _different(hint: str) -> Found:
    return Found(Type("skip"), f"all values are different{hint and '; '}{hint}", of_all=True)


def _of_dates(present: pl.Series, forms: list[str | None]) -> Found:
    has_time = (to_dates(present, forms[0]).dt.time() != time()).any()
    type_ = "date" if has_time else "day"
    if len(forms) == 1:
        return Found(Type(type_, forms[0]))
    name = present.name
    choices = " or ".join(f"\"data.types=['{name}:{type_}:{form}']\"" for form in forms)
    return Found(
        Type(type_), ask=f"does {present[0]!r} begin with the day or the month? Declare {choices}"
    )


def _of_numbers(present: pl.Series, numbers: pl.Series, distinct: int) -> Found:
    rows, name = len(present), present.name
    if not present.str.contains(r"^-?\d+$").all():
        return Found(Type("number"))
    is_code = bool(CODE_NAME.search(name)) or present.str.contains(r"^0\d").any()
    hint = _date_hint(present)
    counts_rows = distinct == rows and (numbers.diff().drop_nulls() == 1).all()
    if rows >= FEW and counts_rows:
        return Found(Type("skip"), f"its values number the rows{hint and '; '}{hint}")
    if rows >= FEW and is_code and distinct == rows:
        return _different(hint)
    if is_code:
        return Found(Type("category"), hint)
    if rows < REPEATS * distinct:
        return Found(Type("number"), hint or f"or codes? data.types=[{name}:category]")
    amount = f"or amounts? data.types=[{name}:number]" if distinct >= FEW else ""
    return Found(Type("category"), hint or amount)


def _date_hint(present: pl.Series) -> str:
    return f"dates? data.types=['{present.name}:date:FORM']" if like_dates(present) else ""
