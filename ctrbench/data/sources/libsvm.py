"""Rows of ``label index:value ...`` (libfm, libsvm) or ``label field:index:value ...`` (libffm).

The entries of a field are one of

    category    at most one a row, of value 1: its index is a code
    number      at most one a row, always of the same index (that of the first rows, or as declared,
                NAME:number:INDEX): its value is an amount
    multi       several a row, all of one value: their indices are codes

All entries of a file are of one form. Where they do not name their fields, the i-th entry of a row
is that of field i if the first rows are all of the same length, and then every row is of that
length; otherwise all entries are those of one field, ``features``.

Where a field has real values of several indices, each of these is a number of its own, named by the
index (``FIELD_INDEX`` where entries name fields), and 0 in a row without it; a row may have any
subset of them, and indices that training rows have not are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.schema import Column, Slice
from ctrbench.data.settings import LibsvmSettings
from ctrbench.data.sources.base import FileSource
from ctrbench.data.sources.libsvm_entries import (
    Lines,
    has_rows,
    is_named,
    parse_entries,
    parse_lines,
)
from ctrbench.data.sources.libsvm_fields import (
    ALL,
    KINDS,
    Kind,
    add_fields,
    contradictions,
    count_entries,
    first_indices,
    group_by_field,
    infer_fields,
)
from ctrbench.data.sources.registry import reads
from ctrbench.data.sources.text import BLOCK_BYTES, Block, blocks
from ctrbench.errors import UserError
from ctrbench.files import file_signature
from ctrbench.settings import nearest

DECLARE = "declare what every field is with data.fields=[NAME:KIND, ...]"
FEW_FIELDS = 20  # for which a block is of the usual size
MIN_BLOCK_BYTES = 1 << 20


@reads(LibsvmSettings)
class Libsvm(FileSource):
    """A source of sparse rows."""

    settings: LibsvmSettings

    @cached_property
    def fields(self) -> dict[str, Kind]:
        """The kind of every field, as declared, or inferred from the first rows."""
        declared = [_declared(item) for item in self.settings.fields]
        fields = dict(declared)
        if len(fields) < len(declared):
            names = [name for name, _ in declared]
            name = next(name for name in names if names.count(name) > 1)
            raise UserError(f"data.fields: {name} stands in it twice; declare it once")
        lacking = [name for name, kind in fields.items() if kind == Kind("number")]
        if fields and not lacking:
            return fields
        try:
            path = self.paths[0]
        except UserError:
            if fields:  # of a run that is opened where its rows are not
                return fields
            raise
        if not fields:
            return infer_fields(path, file_signature(path))
        indices = first_indices(path, file_signature(path), by_position=ALL not in fields)
        return fields | {name: Kind("number", indices.get(name)) for name in lacking}

    def check(self) -> None:
        if not self.columns:
            path = self.paths[0]
            raise UserError(f"{path}: its first rows have labels alone; name a file with entries")

    @cached_property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """One for each field."""
        return tuple(Column(name, KINDS[kind.name]) for name, kind in self.fields.items())

    def resolved(self) -> LibsvmSettings:
        """Return the settings with all fields declared."""
        fields = [f"{name}:{kind}" for name, kind in self.fields.items()]
        return replace(self.settings, fields=fields)

    def slices_of(self, path: Path, part: str = "all", *, labelled: bool = True) -> Iterator[Slice]:
        named: bool | None = None
        few = len(self.fields) <= FEW_FIELDS
        size = max(BLOCK_BYTES * FEW_FIELDS // max(1, len(self.fields)), MIN_BLOCK_BYTES)
        for block in filter(has_rows, blocks(path) if few else blocks(path, size)):
            named = is_named(parse_lines(path, block)) if named is None else named
            read = partial(_frame, path, block, self.fields, named, labelled=labelled)
            yield Slice(part, block.share, read)


def _declared(item: str) -> tuple[str, Kind]:
    name, _, declaration = item.partition(":")
    kind, _, index = declaration.partition(":")
    if kind not in KINDS:
        raise UserError(f"data.fields={item}: not NAME:KIND; {nearest(kind, KINDS)}")
    if index and (kind != "number" or re.fullmatch(r"\d+", index, re.ASCII) is None):
        raise UserError(f"data.fields={item}: an index is a whole number, and of a number alone")
    return name, Kind(kind, index or None)


def _sparse_numbers(fields: dict[str, Kind]) -> set[str]:
    """Return the fields that are the value of one index each, 0 in rows without it."""
    numbers = {name: kind.index for name, kind in fields.items() if kind.index is not None}
    sparse = {name for name, index in numbers.items() if name.rpartition("_")[2] == index}
    has_places = ALL not in fields and any(name not in sparse for name in fields)
    return {name for name in sparse if "_" in name or not has_places}


def _is_by_position(fields: dict[str, Kind], named: bool | None) -> bool:
    return not named and ALL not in fields and not set(fields) <= _sparse_numbers(fields)


def _frame(
    path: Path, block: Block, fields: dict[str, Kind], named: bool | None, *, labelled: bool
) -> pl.DataFrame:
    lines = parse_lines(path, block)
    labels, entries = parse_entries(lines, named, labelled=labelled)
    by_position, sparse = _is_by_position(fields, named), _sparse_numbers(fields)
    if by_position:
        _check_lengths(lines, entries, len(fields))
    groups = group_by_field(
        _without_unknown(add_fields(entries, by_position, sparse), fields, sparse)
    )
    rows = pl.DataFrame({"row": pl.arange(len(lines.texts), dtype=pl.UInt32, eager=True)})
    columns = [] if labels is None else [labels]
    for name, field_entries in groups.items():
        if name not in fields:
            where = lines.where(int(field_entries["row"][0]))
            raise UserError(f"{where}: field {name} is not in the first rows; {DECLARE}")
    for name, kind in fields.items():
        field_entries = groups.get(name, entries.clear())
        if (wrong := contradictions(field_entries, kind)).any():
            where = lines.where(int(field_entries["row"][int(wrong.arg_max() or 0)]))
            what = "" if kind.index is None else f" of index {kind.index}"
            raise UserError(f"{where}: field {name} is not a {kind.name}{what} here; {DECLARE}")
        value = pl.col("value") if kind.name == "number" else pl.col("index")
        lists = field_entries.group_by("row", maintain_order=True).agg(value.alias("it"))
        joined = rows.join(lists, on="row", how="left", maintain_order="left")["it"]
        column = (joined if kind.name == "multi" else joined.list.first()).alias(name)
        columns.append(column.fill_null(0.0) if name in sparse else column)
    return pl.DataFrame(columns)


def _without_unknown(
    entries: pl.DataFrame, fields: dict[str, Kind], sparse: set[str]
) -> pl.DataFrame:
    """Leave out real values of indices that training rows have not, where each is a field."""
    bases = {name.rpartition("_")[0] or ALL for name in sparse}
    if not bases:
        return entries
    unknown = pl.col("field").is_in(list(bases)) & (
        ~pl.col("field").is_in(list(fields)) | (pl.col("value") != 1)
    )
    return entries.filter(~unknown)


def _check_lengths(lines: Lines, entries: pl.DataFrame, fields: int) -> None:
    """Refuse a row that has not one entry for each field, where only places tell them apart."""
    lengths = count_entries(lines, entries)
    if len(wrong := np.flatnonzero(lengths != fields)):
        raise UserError(
            f"{lines.where(wrong[0])}: entries: {lengths[wrong[0]]}, expected: "
            f"{fields}, one for each field; mend the row, name the fields (FIELD:INDEX:VALUE), or "
            f"declare all entries as one field with data.fields=[{ALL}:multi]"
        )
