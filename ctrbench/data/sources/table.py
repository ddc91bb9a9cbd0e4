"""Any table with a header: CSV, TSV or Parquet, its column types declared or inferred.

A type is one of

    category    a value is a code: strings, booleans, integers that repeat
    number      a value is an amount
    date        gives the fields NAME.hour, NAME.weekday and NAME.weekend; a form that cannot
                be inferred is declared (``hour:date:%y%m%d%H``)
    day         a date without a time of day
    multi       several values in a cell, a separator between them
    skip        left out
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import polars as pl

from ctrbench.data.schema import GROUP, LABEL, TIME, USER, Column, Slice
from ctrbench.data.settings import TableSettings
from ctrbench.data.sources.base import CLICK, NO_CLICK, FileSource
from ctrbench.data.sources.cells import Cells, Read, cells_of, header_of
from ctrbench.data.sources.column_types import DATES, Found, Type, as_codes, infer, is_missing
from ctrbench.data.sources.dates import to_dates
from ctrbench.data.sources.registry import reads
from ctrbench.errors import UserError
from ctrbench.files import file_signature
from ctrbench.settings import nearest

TYPES = ("category", "number", "date", "day", "multi", "skip")
DECLARATION = re.compile(f"(.+):({'|'.join(TYPES)})(?::(.+))?")  # a name may hold a colon
OTHERS = "*"


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
            own = header_of(path, self.settings.separator)
            for name in (*names, *own):
                if name not in names or name not in own:
                    raise UserError(
                        f"{path}: its columns differ from those of {first}: only one has {name}"
                    )
        for name, times in Counter(column.name for column in self.columns).items():
            if times > 1:
                raise UserError(f"{first}: {name} is made of a date and a column too; skip one")
        if not self.columns:
            left_out = [f"{name} is left out: {why}" for name, why in self.left_out.items()]
            raise UserError(
                f"{first}: no column is of use beside the label {self.settings.label}"
                f"{'; ' if left_out else ''}{', '.join(left_out[:3])}; name a file with features"
            )

    @cached_property
    def _declarations(self) -> dict[str, Type]:
        declared = {}
        for item in self.settings.types:
            if (match := DECLARATION.fullmatch(item)) is None:
                hint = nearest(item.rpartition(":")[2], TYPES)
                raise UserError(f"data.types={item}: not NAME:TYPE; {hint}")
            name, type_, form = match.groups()
            declared[name] = Type(type_, form)
        declared.pop(str(self.settings.label), None)
        return declared

    @cached_property
    def _found(self) -> dict[str, Found]:
        """What the first rows suggest, of every column but the label."""
        path = next(iter(self.files.values()))
        found = infer(path, file_signature(path), self.settings.separator)
        return {name: about for name, about in found.items() if name != self.settings.label}

    @cached_property
    def types(self) -> dict[str, Type]:
        """The type of every column but the label: as declared, or inferred from the first rows."""
        declared = dict(self._declarations)
        others = declared.pop(OTHERS, None)
        if others is not None and others.name == "skip":
            return declared
        for name in declared:
            if name not in self._found:
                path, hint = next(iter(self.files.values())), nearest(name, self._found)
                raise UserError(f"data.types={name}: {path} has no such column; {hint}")
        return {name: self._type(name, declared.get(name), others) for name in self._found}

    def _type(self, name: str, declared: Type | None, others: Type | None) -> Type:
        path, found = next(iter(self.files.values())), self._found[name]
        if not found.is_read:
            if declared is None or declared.name == "skip":
                return Type("skip")
            raise UserError(
                f"data.types={name}:{declared}: in {path} its {found.note}; convert the column, or "
                f"declare {name}:skip"
            )
        chosen = declared or others
        is_open = chosen is None or (chosen.name in DATES and chosen.form is None)
        if is_open and found.ask:
            raise UserError(f"{path}, column {name}: {found.ask}")
        if chosen is not None and is_open and found.type.name in DATES:
            return replace(chosen, form=found.type.form)
        return chosen or found.type

    @property
    def groupable(self) -> set[str]:
        """Those of the file, skipped ones too, and those made of dates."""
        types = {name: {found.type, self.types.get(name)} for name, found in self._found.items()}
        return super().groupable | {
            name
            for name, own in types.items()
            if self._found[name].is_read and Type("multi") not in own
        }

    @property
    def left_out(self) -> dict[str, str]:
        skipped = [name for name, type_ in self.types.items() if type_.name == "skip"]
        return {name: self._found[name].note for name in skipped if name not in self._declarations}

    @property
    def doubts(self) -> dict[str, str]:
        if OTHERS in self._declarations:
            return {}
        kept = [name for name, type_ in self.types.items() if type_.name != "skip"]
        open_ = [name for name in kept if name not in self._declarations]
        return {name: note for name in open_ if (note := self._found[name].note)}

    @cached_property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """Of all columns, in the file's order."""
        return tuple(c for name, type_ in self.types.items() for c in type_.columns(name))

    @property
    def times(self) -> tuple[str, ...]:
        return tuple(name for name, found in self._found.items() if found.is_read)

    def resolved(self) -> TableSettings:
        """The settings with all types declared: the same rows are read the same elsewhere."""
        types = [f"{name}:{type_}" for name, type_ in self.types.items()]
        return replace(self.settings, types=[*types, f"{OTHERS}:skip"])

    def slices_of(self, path: Path, part: str = "all") -> Iterator[Slice]:
        names = header_of(path, self.settings.separator)
        used = {name: type_ for name, type_ in self.types.items() if type_.name != "skip"}
        keys = [name for name in (self.settings.history.user, self.settings.when) if name]
        made = {column.name for name, type_ in used.items() for column in type_.columns(name)}
        needed = [
            name
            for name, type_ in used.items()
            if {column.name for column in type_.columns(name)} - {*self.settings.exclude}
        ]
        for name in (*needed, *(key for key in keys if key in used or key not in made)):
            if name not in names:
                raise UserError(f"{path}: no column {name}; {nearest(name, names)}")
        there = {name: type_ for name, type_ in used.items() if name in names}
        for share, read in cells_of(path, self.settings.separator):
            yield Slice(part, share, partial(self._frame, read, there))

    def _frame(self, read: Read, used: dict[str, Type]) -> pl.DataFrame:
        cells, columns = read(), list[pl.Series]()
        if self.settings.label in cells.frame.columns:
            columns.append(_labels(cells, str(self.settings.label)))
        if self.settings.group in cells.frame.columns:
            columns.append(_keys(cells.frame[self.settings.group]).alias(GROUP))
        for name, type_ in used.items():
            columns += _convert(cells, name, type_, self.settings.values_separator)
        if (when := self.settings.when) is not None:
            columns.append(_times(cells, when, self.types.get(when, Type("category"))))
        frame = pl.DataFrame(columns)
        if (user := self.settings.history.user) is not None:
            known = user in cells.frame.columns
            whose = _keys(cells.frame[user]) if known else frame[user]
            frame = frame.with_columns(whose.alias(USER))
        return frame


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


def _times(cells: Cells, name: str, type_: Type) -> pl.Series:
    """Numbers that grow with time: those of the column, or microseconds of its dates."""
    text = cells.frame[name].cast(pl.String).str.strip_chars()
    if type_.name in DATES:
        times = to_dates(text, type_.form).to_physical().cast(pl.Float64)
    else:
        times = text.cast(pl.Float64, strict=False)
    hint = f"a time; give numbers, or dates (data.types=[{name}:date:FORM])"
    _refuse(cells, name, ~times.is_finite().fill_null(False), hint)
    return times.alias(TIME)


def _keys(column: pl.Series) -> pl.Series:
    """What names a user or a group; null where nothing does."""
    return as_codes(column).set(is_missing(column.str.strip_chars()), None)


def _convert(cells: Cells, name: str, type_: Type, separator: str) -> list[pl.Series]:
    column = cells.frame[name]
    if column.dtype != pl.String and type_.name != "multi":
        raise UserError(f"data.types={name}:{type_}: the column holds lists; declare {name}:multi")
    if type_.name in ("category", "multi"):
        is_text = type_.name == "multi" and column.dtype == pl.String
        if is_text:
            return [column.str.split(separator).alias(name)]
        return [as_codes(column) if type_.name == "category" else column]
    text = column.str.strip_chars()
    missing = is_missing(text)
    text = text.set(missing, None)
    if type_.name == "number":
        numbers = text.cast(pl.Float64, strict=False)
        bad = ~(numbers.is_finite().fill_null(False) | missing)
        _refuse(
            cells, name, bad, f"a finite number; mend it, or declare data.types=[{name}:category]"
        )
        return [numbers]
    dates = to_dates(text, type_.form)
    hint = f"a date; mend it, or declare data.types=[{name}:date:FORM]"
    _refuse(cells, name, dates.is_null() & ~missing, hint)
    weekday = dates.dt.weekday()
    parts = {"hour": dates.dt.hour(), "weekday": weekday, "weekend": weekday > 5}
    made = [parts[c.name.rpartition(".")[2]].alias(c.name) for c in type_.columns(name)]
    return [part.cast(pl.UInt8) for part in made]
