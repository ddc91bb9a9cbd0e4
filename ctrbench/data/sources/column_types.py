"""The types of a table's columns, as declared, or inferred from its first rows."""

import re
from dataclasses import dataclass, replace
from datetime import time
from functools import cache
from pathlib import Path

import polars as pl

from ctrbench.data.patterns import is_named
from ctrbench.data.schema import CATEGORICAL, MULTI, NUMERIC, VECTOR, Column
from ctrbench.data.sources.amounts import amount_hint, is_missing, is_zero_date, others_hint
from ctrbench.data.sources.cells import read_cells, unnamed_index, vectors, without_text
from ctrbench.data.sources.dates import (
    NUMBERED,
    forms_of,
    like_dates,
    likely_form,
    to_dates,
    unix_unit,
)
from ctrbench.data.sources.layout import TextOptions
from ctrbench.data.sources.lists import as_vectors, list_separator
from ctrbench.data.sources.parquet import SLICE_ROWS
from ctrbench.data.sources.rows import Cells
from ctrbench.data.sources.spelling import BOOLEANS, as_codes
from ctrbench.errors import UserError
from ctrbench.quoting import list_override

DATES = ("date", "day")
REPEATS = 20  # rows a distinct integer has in the mean where it is a code
LARGEST = 2**53  # up to which a float holds every whole number
WHOLE, DECIMAL = r"^-?\d+$", r"^-?\d+(\.\d+)?$"
FEW = 100  # rows below which nothing is concluded from all values being different
# user_id, ZIP and userId, but not grid.
CODE_NAME = re.compile(
    r"(?i:(^|[^a-z])(ids?|code|key|zip|hash)$)|[a-z](I[dD]s?|Code|Key|Zip|Hash)$"
)


@dataclass(frozen=True)
class Type:
    """The type of a column.

    Attributes:
        form: of a date unless it is ISO 8601, of amounts, what separates the values of a cell, or
            the length of a vector.
    """

    name: str
    form: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.form}" if self.form else self.name

    def columns(self, name: str) -> list[Column]:
        """Return the encoded columns of a raw column of this type."""
        if self.name in DATES:
            parts = ["hour", "weekday", "weekend"][self.name == "day" :]
            return [Column(f"{name}.{part}", CATEGORICAL) for part in parts]
        kinds = {"category": CATEGORICAL, "number": NUMERIC, "multi": MULTI, "vector": VECTOR}
        return [Column(name, kinds[self.name])] if self.name in kinds else []


@dataclass(frozen=True)
class InferredType:
    """The type that the first values of a column suggest.

    Attributes:
        note: why it is left out, or what else it may be and how to declare it.
        ask: what the user has to say before its values can be read.
        is_read: false for values that have no text.
        of_all: true of what the first values suggest only where they are all.
        by_name_only: read only where its type is declared by its name.
        separator: of the values in cells that look like lists.
    """

    type: Type
    note: str = ""
    ask: str = ""
    is_read: bool = True
    of_all: bool = False
    by_name_only: bool = False
    separator: str | None = None


Version = tuple[int, ...]


@cache
def infer(
    splits: tuple[tuple[tuple[Path, Version], ...], ...], options: TextOptions
) -> dict[str, InferredType]:
    """Infer the type of every column from the first rows of the first split.

    The other splits tell whether numbers are codes, and the day from the month.

    Args:
        splits: the files of each split, each in a version.
    """
    (cells, is_whole), *other_cells = (
        _first_rows([path for path, _ in files], options) for files in splits
    )
    path = splits[0][0][0]
    unused = without_text(path, options)
    unused |= dict.fromkeys(cells.not_text, "bytes that are not UTF-8 text")
    others = [other.frame for other, _ in other_cells]
    columns = {}
    for column in cells.frame:
        name = column.name
        if name in unused:
            declare = list_override("data.encodings", [f"{name}:vector"])
            hint = f"; as a vector, declare {declare}" if name in vectors(path) else ""
            columns[name] = _unreadable(unused[name], hint)
            continue
        if is_named(name, options.vectors):
            columns[name] = _infer_vectors(column, options.values_separator)
            continue
        other_columns = [frame[name] for frame in others if name in frame.columns]
        values = [_present_values(c) for c in other_columns if c.dtype == pl.String]
        columns[name] = _infer_column(column, values, is_whole=is_whole)
    index = "the index of a data frame, not a column of its own"
    vector = "its lists hold numbers with fractions: vectors, not values of a category"
    undeclared = [name for name in vectors(path) if not is_named(name, options.vectors)]
    left_out = dict.fromkeys(unnamed_index(path, options), index) | dict.fromkeys(
        (name for name in undeclared if _has_fractions(cells.frame[name])), vector
    )
    for name, why in left_out.items():
        if name in columns and columns[name].is_read:
            kind = "multi" if why == vector else "category"
            encoding = list_override("data.encodings", [f"{name}:vector"])
            note = f"{why}; as a vector, {encoding}" if why == vector else why
            note += f"; if it is one, declare {_declaration(name, kind)}"
            columns[name] = InferredType(Type("skip"), note, by_name_only=True)
    return columns


def infer_partition(name: str, values: list[str | None]) -> InferredType:
    """Infer the type of a column that folders give, by the value of each file: a code, unless it is
    a date."""
    return _infer_column(pl.Series(name, values * REPEATS, pl.String), [], is_whole=True)


def _first_rows(paths: list[Path], options: TextOptions) -> tuple[Cells, bool]:
    """Return the first rows of files that are read as one, and whether they are all."""
    read, rows = list[Cells](), 0
    for path in paths:
        blocks = read_cells(path, options)
        read.append(next(blocks)[1]())
        rows += len(read[-1].frame)
        is_whole = next(blocks, None) is None
        if not is_whole or rows >= SLICE_ROWS:
            break
    is_whole = is_whole and len(read) == len(paths)
    if len(read) == 1:
        return read[0], is_whole
    kinds = read[0].frame.schema
    for path, cells in zip(paths, read, strict=False):
        for name, kind in cells.frame.schema.items():
            if kind != kinds.get(name, kind):
                raise UserError(
                    f"{path}: its column {name} differs from that of {paths[0]}: only one has lists"
                )
    frame = pl.concat([cells.frame for cells in read], how="diagonal")
    not_text = {name: row for cells in read for name, row in cells.not_text.items()}
    return replace(read[0], frame=frame, not_text=not_text), is_whole


def _infer_vectors(column: pl.Series, separator: str) -> InferredType:
    """Infer the length of declared vectors from the first that is there."""
    lengths = as_vectors(column, separator).drop_nulls().list.len()
    if lengths.is_empty():
        declared = _declaration(column.name, "vector:LENGTH")
        return InferredType(Type("vector"), ask=f"no row at first has a vector; declare {declared}")
    if column.dtype == pl.String and lengths[0] == 1:
        declared = list_override("data.encodings", [f"{column.name}:value"])
        ask = f"its cells hold one number, not a vector; encode it by {declared}"
        return InferredType(Type("vector"), ask=ask)
    return InferredType(Type("vector", str(lengths[0])))


def _declaration(name: str, type_: str) -> str:
    return list_override("data.types", [f"{name}:{type_}"])


def _has_fractions(lists: pl.Series) -> bool:
    numbers = (
        lists.explode(empty_as_null=True, keep_nulls=True)
        .drop_nulls()
        .cast(pl.Float64, strict=False)
    )
    return bool((numbers % 1 != 0).any())


def _present_values(column: pl.Series) -> pl.Series:
    """Return the values that are not missing, each in one spelling."""
    text = column.str.strip_chars()
    return as_codes(text.filter(~is_missing(text)))


def _unreadable(values: str, hint: str) -> InferredType:
    return InferredType(Type("skip"), f"{values} are not used{hint}", is_read=False)


def _infer_column(column: pl.Series, others: list[pl.Series], *, is_whole: bool) -> InferredType:
    """Infer the type of a column from its first values, which may be all.

    Args:
        others: values of the column in other files.
    """
    if column.dtype != pl.String:
        return InferredType(Type("multi"))
    inferred = _infer_from_values(_present_values(column), len(column), others)
    booleans = column.str.strip_chars().is_in(list(BOOLEANS))
    if inferred.type.name == "number" and booleans.any():
        inferred = InferredType(Type("category"))
    if is_whole or not inferred.of_all:
        return inferred
    first = f"the first {len(column):,} {inferred.note.removeprefix('all ')}"
    return InferredType(Type("category"), f"{first}; skip? {_declaration(column.name, 'skip')}")


def _infer_from_values(present: pl.Series, all_rows: int, others: list[pl.Series]) -> InferredType:
    if present.is_empty():
        return InferredType(Type("skip"), "all values are missing", of_all=True)
    distinct, rows = present.n_unique(), len(present)
    if distinct == 1 and rows == all_rows:
        return InferredType(Type("skip"), "all values are equal", of_all=True)
    numbers = present.cast(pl.Float64, strict=False)
    if not numbers.has_nulls():
        return _infer_numbers(present, numbers, distinct, others)
    dates = present.filter(~is_zero_date(present))
    if len(dates) and (forms := forms_of(dates)):
        common = [form for form in forms if all(form in (forms_of(o) or forms) for o in others)]
        return _infer_dates(dates, common or forms)
    separator = list_separator(present)
    hint = _date_hint(present) or amount_hint(present) or _exceptions_hint(present, numbers)
    if not hint and separator is not None:
        hint = f"lists? {_declaration(present.name, f'multi:{separator}'.rstrip(':'))}"
    if distinct == rows >= FEW:
        return replace(_all_different(hint), separator=separator)
    return InferredType(Type("category"), hint, separator=separator)


def _exceptions_hint(present: pl.Series, numbers: pl.Series) -> str:
    """Name the few values that are no numbers, or no dates, where all others are."""
    plain = present.filter(numbers.is_not_null())
    if len(plain) and _infer_numbers(
        plain, numbers.drop_nulls(), plain.n_unique(), []
    ).type.name in (
        "number",
        "skip",
    ):
        return others_hint(present, numbers.is_null(), "numbers")
    is_date = present.str.contains(NUMBERED) & ~is_zero_date(present)
    if is_date.any() and forms_of(present.filter(is_date)):
        return others_hint(present, ~is_date, "dates")
    return ""


def _all_different(hint: str) -> InferredType:
    return InferredType(Type("skip"), f"all values are different{hint and '; '}{hint}", of_all=True)


def _infer_dates(present: pl.Series, forms: list[str | None]) -> InferredType:
    has_time = (to_dates(present, forms[0]).dt.time() != time()).any()
    type_ = "date" if has_time else "day"
    if len(forms) == 1:
        return InferredType(Type(type_, forms[0]))
    name = present.name
    choices = " or ".join(_declaration(name, f"{type_}:{form}") for form in forms)
    return InferredType(
        Type(type_), ask=f"does {present[0]!r} begin with the day or the month? Declare {choices}"
    )


def _infer_numbers(
    present: pl.Series, numbers: pl.Series, distinct: int, others: list[pl.Series]
) -> InferredType:
    rows, name = len(present), present.name
    files = [present, *(other for other in others if _are_numbers(other))]
    named_code = bool(CODE_NAME.search(name))
    if not named_code and (unit := unix_unit(present)) is not None:
        has_time = (to_dates(present, unit).dt.time() != time()).any()
        choices = f"{_declaration(name, 'number')} or {_declaration(name, 'category')}"
        note = f"read as Unix times ({unit}, hours in UTC); amounts or codes? {choices}"
        return InferredType(Type("date" if has_time else "day", unit), note)
    if not present.str.contains(WHOLE).all():
        return _infer_fractions(files, distinct)
    hint = _date_hint(present)
    counts_rows = distinct == rows and (numbers.diff().drop_nulls() == 1).all()
    if rows >= FEW and counts_rows:
        return InferredType(Type("skip"), f"its values number the rows{hint and '; '}{hint}")
    is_large = any((file.cast(pl.Float64, strict=False).abs() > LARGEST).any() for file in files)
    if is_large and not hint:
        hint = (
            f"whole numbers beyond 2^53 are read as codes; amounts? {_declaration(name, 'number')}"
        )
    is_code = named_code or is_large or any(file.str.contains(r"^0\d").any() for file in files)
    if rows >= FEW and is_code and distinct == rows:
        return _all_different(hint)
    if is_code:
        return InferredType(Type("category"), hint)
    if rows < REPEATS * distinct:
        note = f"read as amounts, put into bins; codes? {_declaration(name, 'category')}"
        return InferredType(Type("number"), hint or note)
    amount = f"read as codes, for they repeat; amounts? {_declaration(name, 'number')}"
    return InferredType(Type("category"), hint or (amount if distinct >= FEW else ""))


def _infer_fractions(files: list[pl.Series], distinct: int) -> InferredType:
    """Infer the type of numbers with decimals: 4.1 beside 4.10 are versions or other codes."""
    name, rows = files[0].name, len(files[0])
    for file in files:
        texts = file.filter(file.str.contains(DECIMAL)).unique()
        equal = texts.to_frame("text").with_columns(n=texts.cast(pl.Float64).alias("n"))
        twice = equal.filter(pl.col("n").is_duplicated()).sort("n", "text")["text"]
        if twice.is_empty():
            continue
        pair = f"{twice[0]} and {twice[1]} are both there"
        if rows < 2 * distinct:
            note = f"{pair}, read as one number; codes? {_declaration(name, 'category')}"
            return InferredType(Type("number"), note)
        note = f"{pair}, so read as codes; amounts? {_declaration(name, 'number')}"
        return InferredType(Type("category"), note)
    return InferredType(Type("number"))


def _are_numbers(text: pl.Series) -> bool:
    return not text.cast(pl.Float64, strict=False).has_nulls()


def _date_hint(present: pl.Series) -> str:
    if not like_dates(present):
        return ""
    if (form := likely_form(present)) is not None:
        return f"dates? {_declaration(present.name, f'date:{form}')}"
    return f"dates? declare their form behind {present.name}:date, as in strftime"
