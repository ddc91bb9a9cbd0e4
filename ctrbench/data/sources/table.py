"""Any table with a header: CSV, TSV or Parquet, its column types declared or found out.

A type is one of

    category    a value is a code: strings, booleans, integers that repeat
    number      a value is an amount
    date        gives the fields NAME.hour, NAME.weekday and NAME.weekend; a form that is not ISO
                8601 is declared (``hour:date:%y%m%d%H``)
    day         a date without a time of day
    multi       several values in a cell, a separator between them
    skip        left out
"""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import time
from functools import cache, cached_property, partial
from pathlib import Path

import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, MULTI, NUMERIC, Column, Slice
from ctrbench.data.settings import TableSettings
from ctrbench.data.sources.base import CLICK, NO_CLICK, FileSource
from ctrbench.data.sources.cells import Cells, Read, cells_of, header_of
from ctrbench.data.sources.registry import reads
from ctrbench.errors import UserError
from ctrbench.settings import nearest

TYPES = ("category", "number", "date", "day", "multi", "skip")
DECLARATION = re.compile(f"(.+):({'|'.join(TYPES)})(?::(.+))?")  # a name may hold a colon
OTHERS = "*"
DATE_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f")
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N"]  # of numbers and dates
REPEATS = 20  # rows a distinct integer has in the mean where it is a code
FEW = 100  # rows below which nothing is concluded from all values being different
log = logging.getLogger(__name__)
CODE_NAME = re.compile(r"(^|[^a-z])(ids?|code|key|zip|hash)$", re.IGNORECASE)


@dataclass(frozen=True)
class Type:
    """The type of a column and, of a declared date, its form."""

    name: str
    form: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.form}" if self.form else self.name

    def columns(self, name: str) -> list[Column]:
        """The columns that a source makes of one of this type."""
        if self.name in ("date", "day"):
            parts = ["hour", "weekday", "weekend"][self.name == "day" :]
            return [Column(f"{name}.{part}", CATEGORICAL) for part in parts]
        kinds = {"category": CATEGORICAL, "number": NUMERIC, "multi": MULTI}
        return [Column(name, kinds[self.name])] if self.name in kinds else []


@reads(TableSettings)
class Table(FileSource):
    """A source of rows with named columns."""

    settings: TableSettings

    def __init__(self, settings: TableSettings) -> None:
        super().__init__(settings)
        if settings.label is None:
            raise UserError(f"data={settings.name} needs data.label=COLUMN, the column of clicks")

    def check(self) -> None:
        first, *others = self.files.values()
        names = header_of(first, self.settings.separator)
        if self.settings.label not in names:
            hint = nearest(str(self.settings.label), names)
            raise UserError(f"data.label={self.settings.label}: {first} has no such column; {hint}")
        for path in others:
            for name in set(names) ^ set(header_of(path, self.settings.separator)):
                raise UserError(
                    f"{path}: its columns differ from those of {first}: only one has {name}"
                )
        made = [column.name for column in self.columns]
        for name in made:
            if made.count(name) > 1:
                raise UserError(f"{first}: {name} is made of a date and a column too; skip one")

    @cached_property
    def types(self) -> dict[str, Type]:
        """The type of every column but the label: as declared, or found out from the first rows."""
        declared = {}
        for item in self.settings.types:
            if (match := DECLARATION.fullmatch(item)) is None:
                hint = nearest(item.rpartition(":")[2], TYPES)
                raise UserError(f"data.types={item}: not NAME:TYPE; {hint}")
            name, type_, form = match.groups()
            declared[name] = Type(type_, form)
        declared.pop(str(self.settings.label), None)
        others = declared.pop(OTHERS, None)
        if others is not None and others.name == "skip":
            return declared
        path = next(iter(self.files.values()))
        found = _infer(path, path.stat().st_mtime_ns, self.settings.separator)
        for name in declared.keys() - found.keys():
            hint = nearest(name, found)
            raise UserError(f"data.types={name}: {path} has no such column; {hint}")
        types = {name: declared.get(name) or others or type_ for name, (type_, _) in found.items()}
        for name, (_, why) in found.items():
            if types[name].name == "skip" and name not in declared:
                _say_left_out(path, name, why)
        return {name: type_ for name, type_ in types.items() if name != self.settings.label}

    @property
    def declared(self) -> bool:
        """Whether the user said what every column is, so that none may be left out."""
        return any(item.startswith(f"{OTHERS}:") for item in self.settings.types)

    @cached_property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """Of all columns, in the file's order."""
        return tuple(c for name, type_ in self.types.items() for c in type_.columns(name))

    def resolved(self) -> TableSettings:
        """The settings with all types declared: the same rows are read the same elsewhere."""
        types = [f"{name}:{type_}" for name, type_ in self.types.items()]
        return replace(self.settings, types=[*types, f"{OTHERS}:skip"])

    def fingerprint(self) -> str:
        """A hash of the rows' bytes and of how they are read."""
        resolved = self.resolved()
        cells = [resolved.label, resolved.separator, resolved.values_separator]
        return f"{super().fingerprint()}:{json.dumps([cells, resolved.types, self.declared])}"

    def slices_of(self, path: Path, part: str = "all") -> Iterator[Slice]:
        names = header_of(path, self.settings.separator)
        used = {name: type_ for name, type_ in self.types.items() if type_.name != "skip"}
        for name in used.keys() - set(names):
            raise UserError(f"{path}: no column {name}; {nearest(name, names)}")
        for share, read in cells_of(path, self.settings.separator):
            yield Slice(part, share, partial(self._frame, read, used))

    def _frame(self, read: Read, used: dict[str, Type]) -> pl.DataFrame:
        cells, columns = read(), list[pl.Series]()
        if self.settings.label in cells.frame.columns:
            columns.append(_labels(cells, str(self.settings.label)))
        for name, type_ in used.items():
            columns += _convert(cells, name, type_, self.settings.values_separator)
        return pl.DataFrame(columns)


def _refuse(cells: Cells, name: str, bad: pl.Series, expected: str) -> None:
    """Raise for the first row where ``bad`` holds."""
    if bad.any():
        row = int(bad.arg_max() or 0)
        value = cells.frame[name][row]
        said = "empty" if value is None else f"{str(value)[:40]!r}"
        raise UserError(f"{cells.where(row)}, column {name}: {said} is not {expected}")


def _labels(cells: Cells, name: str) -> pl.Series:
    text = cells.frame[name].str.strip_chars().str.to_lowercase()
    clicked = text.is_in(CLICK)
    known = (clicked | text.is_in(NO_CLICK)).fill_null(False)
    _refuse(cells, name, ~known, "a label; must be 0 or 1 (or true, false, yes, no)")
    return clicked.cast(pl.UInt8).alias(LABEL)


def _convert(cells: Cells, name: str, type_: Type, separator: str) -> list[pl.Series]:
    column = cells.frame[name]
    if column.dtype != pl.String and type_.name != "multi":
        raise UserError(f"data.types={name}:{type_}: the column holds lists; declare {name}:multi")
    if type_.name == "number":
        numbers = _numbers(column)
        bad = ~(numbers.is_finite().fill_null(False) | _is_missing(column))
        _refuse(
            cells, name, bad, f"a finite number; mend it, or declare data.types=[{name}:category]"
        )
        return [numbers]
    if type_.name in ("date", "day"):
        dates = _dates(column, type_.form)
        bad = dates.is_null() & ~_is_missing(column)
        hint = f"a date; mend it, or declare data.types=[{name}:date:FORM]"
        _refuse(cells, name, bad, hint)
        weekday = dates.dt.weekday()
        parts = {"hour": dates.dt.hour(), "weekday": weekday, "weekend": weekday > 5}
        made = [parts[c.name.rpartition(".")[2]].alias(c.name) for c in type_.columns(name)]
        return [part.cast(pl.UInt8) for part in made]
    if type_.name == "multi" and column.dtype == pl.String:
        return [column.str.split(separator).alias(name)]
    return [column]


def _is_missing(column: pl.Series) -> pl.Series:
    return column.is_null() | column.str.strip_chars().is_in(MISSING)


def _numbers(column: pl.Series) -> pl.Series:
    text = column.set(_is_missing(column), None).str.strip_chars()
    return text.cast(pl.Float64, strict=False)


def _dates(column: pl.Series, form: str | None) -> pl.Series:
    text = (
        column.set(_is_missing(column), None).str.strip_chars().str.replace("T", " ", literal=True)
    )
    text = text.str.replace(r"Z$", "")
    if form is not None:
        if re.search("%[HI]", form) and not re.search("%[MRT]", form):
            text, form = text + "00", f"{form}%M"  # the parser takes no hour without minutes
        has_time = re.search("%[HIRTs]", form) is not None
        try:
            if has_time:
                return text.str.to_datetime(form, strict=False, time_unit="us")
            return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        except pl.exceptions.PolarsError:
            raise UserError(
                f"data.types={column.name}:date:{form}: not a form of dates; see chrono's strftime"
            ) from None
    frame = text.alias("x").to_frame()
    forms = [pl.col("x").str.to_datetime(f, strict=False) for f in DATE_FORMS]
    return frame.select(pl.coalesce(forms)).to_series()


@cache
def _say_left_out(path: Path, name: str, why: str) -> None:
    """Once a process: many settings ask for the types."""
    log.info("%s: column %s is left out: %s", path, name, why)


@cache
def _infer(path: Path, modified_ns: int, separator: str | None) -> dict[str, tuple[Type, str]]:
    """The type of every column of a file from its first rows, and for one left out, why."""
    _, read = next(cells_of(path, separator))
    return {column.name: _type_of(column) for column in read().frame}


def _type_of(column: pl.Series) -> tuple[Type, str]:
    """The type that the values suggest, and why a column is of no use."""
    if column.dtype != pl.String:
        return Type("multi"), ""
    present = column.filter(~_is_missing(column))
    if present.is_empty():
        return Type("skip"), "all values are missing"
    distinct, rows = present.n_unique(), len(present)
    if distinct == 1 and rows == len(column):
        return Type("skip"), "all values are equal"
    numbers = _numbers(present)
    if not numbers.has_nulls():
        return _type_of_numbers(column.name, present, numbers, distinct)
    dates = _dates(present, None)
    if not dates.has_nulls():
        has_time = (dates.dt.time() != time()).any()
        return Type("date" if has_time else "day"), ""
    if distinct == rows >= FEW:
        return Type("skip"), "all values are different"
    return Type("category"), ""


def _type_of_numbers(
    name: str, present: pl.Series, numbers: pl.Series, distinct: int
) -> tuple[Type, str]:
    rows = len(present)
    if not present.str.contains(r"^\s*-?\d+\s*$").all():
        return Type("number"), ""
    is_code = bool(CODE_NAME.search(name)) or present.str.contains(r"^\s*0\d").any()
    counts_rows = distinct == rows and (numbers.diff().drop_nulls() == 1).all()
    if rows >= FEW and (counts_rows or (is_code and distinct == rows)):
        return Type("skip"), "all values are different"
    return Type("category" if is_code or rows >= REPEATS * distinct else "number"), ""
