"""Rows of ``label index:value ...`` (libfm, libsvm) or ``label field:index:value ...`` (libffm).

The entries of a field are one of

    category    at most one a row, of value 1: its index is a code
    number      at most one a row, always of the same index (that of the first rows, or as declared,
                NAME:number:INDEX): its value is an amount
    multi       several a row, all of one value: their indices are codes

All entries of a file are of one form. Where they do not name their fields, the i-th entry of a row
is that of field i if the first rows are all of the same length, and then every row is of that
length; otherwise all entries are those of one field, ``features``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, MULTI, NUMERIC, Column, Slice
from ctrbench.data.settings import LibsvmSettings
from ctrbench.data.sources.base import CLICK, NO_CLICK, FileSource
from ctrbench.data.sources.registry import reads
from ctrbench.data.sources.text import Block, blocks
from ctrbench.errors import UserError
from ctrbench.files import file_signature
from ctrbench.settings import nearest

KINDS = {"category": CATEGORICAL, "number": NUMERIC, "multi": MULTI}
ALL = "features"
DECLARE = "declare what every field is with data.fields=[NAME:KIND, ...]"
TOKEN = r"^(?:(\d+):)?(\d+):([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$"


@dataclass(frozen=True)
class Kind:
    """What the entries of a field are.

    Attributes:
        index: of every entry of a number; None where none was seen yet.
    """

    name: str
    index: str | None = None

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}:{self.index}"


@reads(LibsvmSettings)
class Libsvm(FileSource):
    """A source of sparse rows."""

    settings: LibsvmSettings

    @cached_property
    def fields(self) -> dict[str, Kind]:
        """The kind of every field, as declared, or inferred from the first rows."""
        fields = dict(_declared(item) for item in self.settings.fields)
        lacking = [name for name, kind in fields.items() if kind == Kind("number")]
        if fields and not lacking:
            return fields
        try:
            path = next(iter(self.files.values()))
        except UserError:
            if fields:  # of a run that is opened where its rows are not
                return fields
            raise
        if not fields:
            return _infer(path, file_signature(path))
        indices = _first_indices(path, file_signature(path), by_position=ALL not in fields)
        return fields | {name: Kind("number", indices.get(name)) for name in lacking}

    def check(self) -> None:
        if not self.columns:
            path = next(iter(self.files.values()))
            raise UserError(f"{path}: its first rows have labels alone; name a file with entries")

    @cached_property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """One for each field."""
        return tuple(Column(name, KINDS[kind.name]) for name, kind in self.fields.items())

    def resolved(self) -> LibsvmSettings:
        """The settings with all fields declared."""
        fields = [f"{name}:{kind}" for name, kind in self.fields.items()]
        return replace(self.settings, fields=fields)

    def slices_of(self, path: Path, part: str = "all") -> Iterator[Slice]:
        named: bool | None = None
        for block in blocks(path):
            named = _is_named(block) if named is None else named
            yield Slice(part, block.share, partial(_frame, path, block, self.fields, named))


def _declared(item: str) -> tuple[str, Kind]:
    name, _, said = item.partition(":")
    kind, _, index = said.partition(":")
    if kind not in KINDS:
        raise UserError(f"data.fields={item}: not NAME:KIND; {nearest(kind, KINDS)}")
    if index and (kind != "number" or re.fullmatch(r"\d+", index, re.ASCII) is None):
        raise UserError(f"data.fields={item}: an index is a whole number, and of a number alone")
    return name, Kind(kind, index or None)


def _is_named(block: Block) -> bool | None:
    """Whether entries name their fields, by the first one; None where there is none."""
    first = re.search(rb"\S*:\S*", block.data)
    return None if first is None else first[0].count(b":") == 2


def _frame(path: Path, block: Block, fields: dict[str, Kind], named: bool | None) -> pl.DataFrame:
    labels, entries = _entries(path, block, named, by_position=ALL not in fields)
    if not named and ALL not in fields:
        _check_lengths(path, block, entries, len(fields))
    rows = pl.DataFrame({"row": pl.arange(block.data.count(b"\n"), dtype=pl.UInt32, eager=True)})
    columns = [] if labels is None else [labels]
    groups = {name: own for (name,), own in _by_field(entries).items()}
    for name in groups:
        if name not in fields:
            at = block.line + int(groups[name]["row"][0])
            raise UserError(f"{path}, line {at}: field {name} is not in the first rows; {DECLARE}")
    for name, kind in fields.items():
        own = groups.get(name, entries.clear())
        if (wrong := _against(own, kind)).any():
            at = block.line + int(own["row"][int(wrong.arg_max() or 0)])
            what = "" if kind.index is None else f" of index {kind.index}"
            raise UserError(
                f"{path}, line {at}: field {name} is not a {kind.name}{what} here; {DECLARE}"
            )
        value = pl.col("value") if kind.name == "number" else pl.col("index")
        made = own.group_by("row", maintain_order=True).agg(value.alias("it"))
        joined = rows.join(made, on="row", how="left", maintain_order="left")["it"]
        columns.append((joined if kind.name == "multi" else joined.list.first()).alias(name))
    return pl.DataFrame(columns)


def _check_lengths(path: Path, block: Block, entries: pl.DataFrame, fields: int) -> None:
    """Refuse a row that has not one entry for each field, where only places tell them apart."""
    lengths = _lengths(block, entries)
    if len(wrong := np.flatnonzero(lengths != fields)):
        raise UserError(
            f"{path}, line {block.line + wrong[0]}: entries: {lengths[wrong[0]]}, expected: "
            f"{fields}, one for each field; mend the row, name the fields (FIELD:INDEX:VALUE), or "
            f"declare all entries as one field with data.fields=[{ALL}:multi]"
        )


def _lengths(block: Block, entries: pl.DataFrame) -> npt.NDArray[np.int64]:
    """The number of entries of every row."""
    return np.bincount(entries["row"].to_numpy(), minlength=block.data.count(b"\n"))


def _by_field(entries: pl.DataFrame) -> dict[tuple[object, ...], pl.DataFrame]:
    """The entries of every field, by the order in which fields come first."""
    return entries.partition_by("field", as_dict=True, maintain_order=True)


def _entries(
    path: Path, block: Block, named: bool | None, *, by_position: bool
) -> tuple[pl.Series | None, pl.DataFrame]:
    """The labels, where the rows have any, and a frame of row, field, index and value."""
    labels, tokens = _tokens(path, block)
    parts = pl.col("token").str.extract_groups(TOKEN)
    entries = tokens.with_columns(parts.alias("it")).unnest("it")
    values = entries["3"].cast(pl.Float64, strict=False)
    wrong = entries["2"].is_null() | ~values.is_finite().fill_null(False)
    _refuse(
        path,
        block,
        entries.filter(wrong),
        "is not INDEX:VALUE or FIELD:INDEX:VALUE, of whole numbers from 0 and a finite number",
    )
    other = entries["1"].is_null() if named else entries["1"].is_not_null()
    _refuse(
        path,
        block,
        entries.filter(other),
        f"{'names no' if named else 'names a'} field, unlike the entries before it; write all "
        "entries of a file in one form",
    )
    place = pl.col("place").cast(pl.String) if by_position else pl.lit(ALL)
    return labels, entries.select(
        "row",
        (pl.col("1") if named else place).alias("field"),
        pl.col("2").alias("index"),
        pl.col("3").cast(pl.Float64).alias("value"),
    )


def _refuse(path: Path, block: Block, bad: pl.DataFrame, what: str) -> None:
    """Raise for the first of some bad entries."""
    if len(bad):
        row, token = bad["row"][0], bad["token"][0][:40]
        raise UserError(f"{path}, line {block.line + row}: {token!r} {what}")


def _tokens(path: Path, block: Block) -> tuple[pl.Series | None, pl.DataFrame]:
    """The labels, where the rows have any, and a frame of row, place in the row, and token."""
    try:
        lines = block.data.decode().replace("\t", " ").split("\n")[:-1]
    except UnicodeDecodeError as error:
        at = block.line + block.data[: error.start].count(b"\n")
        raise UserError(f"{path}, line {at}: not UTF-8 text; convert the file") from None
    tokens = (
        pl.DataFrame({"token": lines})
        .with_row_index("row")
        .with_columns(pl.col("token").str.split(" "))
        .explode("token", empty_as_null=True, keep_nulls=True)
        .filter(pl.col("token") != "")
        .with_columns(place=pl.int_range(pl.len()).over("row"))
    )
    if ":" in lines[0].strip().partition(" ")[0]:
        return None, tokens
    labels = _labels(path, block, lines, tokens.filter(pl.col("place") == 0))
    return labels, tokens.filter(pl.col("place") > 0).with_columns(pl.col("place") - 1)


def _labels(path: Path, block: Block, lines: list[str], first: pl.DataFrame) -> pl.Series:
    clicked = first["token"].is_in(CLICK)
    known = clicked | first["token"].is_in(NO_CLICK)
    if len(first) < len(lines):
        empty = next(i for i, line in enumerate(lines) if not line.strip())
        raise UserError(f"{path}, line {block.line + empty}: empty; remove the line")
    if not known.all():
        row = int((~known).arg_max() or 0)
        raise UserError(
            f"{path}, line {block.line + row}: {first['token'][row][:40]!r} is not a label; "
            "must be 0 or 1 (or -1 and 1)"
        )
    return clicked.cast(pl.UInt8).alias(LABEL)


def _against(own: pl.DataFrame, kind: Kind) -> pl.Series:
    """The entries of a field that are not of a kind."""
    again = pl.int_range(pl.len()).over("row") > 0
    index = pl.col("index").first() if kind.index is None else pl.lit(kind.index)
    wrong = {
        "category": again | (pl.col("value") != 1),
        "number": again | (pl.col("index") != index),
        "multi": pl.col("value") != pl.col("value").first().over("row"),
    }
    return own.select(wrong[kind.name].alias("wrong"))["wrong"]


@cache
def _first_indices(path: Path, version: tuple[int, ...], *, by_position: bool) -> dict[object, str]:
    """The first index of every field in the first rows of a version of a file."""
    block = next(blocks(path))
    _, entries = _entries(path, block, _is_named(block), by_position=by_position)
    return {name: own["index"][0] for (name,), own in _by_field(entries).items()}


@cache
def _infer(path: Path, version: tuple[int, ...]) -> dict[str, Kind]:
    """The fields of a version of a file by its first rows."""
    block = next(blocks(path))
    named = _is_named(block)
    _, entries = _entries(path, block, named, by_position=True)
    if not named and len(np.unique(_lengths(block, entries))) > 1:
        _, entries = _entries(path, block, named, by_position=False)
    fields = {}
    for (name,), own in sorted(_by_field(entries).items(), key=_number):
        kinds = [kind for kind in KINDS if not _against(own, Kind(kind)).any()]
        if not kinds:
            raise UserError(
                f"{path}: the values of field {name} are neither one amount a row nor codes of "
                "equal value; only such fields are read"
            )
        index = own["index"][0] if kinds[0] == "number" else None
        fields[str(name)] = Kind(kinds[0], index)
    return fields


def _number(item: tuple[tuple[object, ...], pl.DataFrame]) -> tuple[int, str]:
    """Fields in the order of their numbers."""
    name = str(item[0][0])
    return (int(name) if name.isdecimal() else 0, name)
