"""The fields of sparse rows, inferred from the entries of a libsvm file."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import CATEGORICAL, MULTI, NUMERIC
from ctrbench.data.sources.libsvm_entries import (
    Lines,
    has_rows,
    is_named,
    parse_entries,
    parse_lines,
)
from ctrbench.data.sources.text import blocks
from ctrbench.errors import UserError

KINDS = {"category": CATEGORICAL, "number": NUMERIC, "multi": MULTI}
ALL = "features"
MOST_NUMBERS = 1000  # indices with real values


@dataclass(frozen=True)
class Kind:
    """The kind of a field, by its entries.

    Attributes:
        index: of every entry of a number; None where none was seen yet.
    """

    name: str
    index: str | None = None

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}:{self.index}"


def add_fields(entries: pl.DataFrame, by_position: bool, sparse: set[str]) -> pl.DataFrame:
    """Add the field of each entry, and its base field: by name, or by place in the row."""
    place = pl.col("place").cast(pl.String) if by_position else pl.lit(ALL)
    base = pl.col("field").fill_null(place)
    index = pl.col("index")
    single = pl.when(pl.col("field").is_null()).then(index).otherwise(base + "_" + index)
    is_sparse = single.is_in(list(sparse)) & (not by_position)
    return entries.with_columns(
        base=base, field=pl.when(is_sparse).then(single).otherwise(base), single=single
    )


def count_entries(lines: Lines, entries: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Count the entries of every row."""
    return np.bincount(entries["row"].to_numpy(), minlength=len(lines.texts))


def group_by_field(entries: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Group the entries by field, in the order in which fields first occur."""
    groups = entries.partition_by("field", as_dict=True, maintain_order=True)
    return {str(name): field_entries for (name,), field_entries in groups.items()}


def contradictions(field_entries: pl.DataFrame, kind: Kind) -> pl.Series:
    """Return which entries of a field contradict a kind."""
    again = pl.int_range(pl.len()).over("row") > 0
    index = pl.col("index").first() if kind.index is None else pl.lit(kind.index)
    wrong = {
        "category": again | (pl.col("value") != 1),
        "number": again | (pl.col("index") != index),
        "multi": pl.col("value") != pl.col("value").first().over("row"),
    }
    return field_entries.select(wrong[kind.name].alias("wrong"))["wrong"]


def _first_lines(path: Path) -> Lines:
    """Read the first block that has rows."""
    block = next(filter(has_rows, blocks(path)), None)
    if block is None:
        raise UserError(f"{path}: no rows, only comments; name a file with rows")
    return parse_lines(path, block)


@cache
def first_indices(path: Path, version: tuple[int, ...], *, by_position: bool) -> dict[str, str]:
    """Return the first index of every field in the first block of a file."""
    lines = _first_lines(path)
    _, entries = parse_entries(lines, is_named(lines))
    groups = group_by_field(add_fields(entries, by_position, set()))
    return {name: field_entries["index"][0] for name, field_entries in groups.items()}


@cache
def infer_fields(path: Path, version: tuple[int, ...]) -> dict[str, Kind]:
    """Infer the fields of a file from its first block."""
    lines = _first_lines(path)
    named = is_named(lines)
    _, entries = parse_entries(lines, named)
    if not named and len(np.unique(count_entries(lines, entries))) == 1:
        fields = _infer_kinds(add_fields(entries, True, set()))
        kinds = {kind.name if kind else None for kind in fields.values()}
        if None not in kinds and kinds != {"number"}:
            return {name: kind for name, kind in fields.items() if kind}
    fields = _infer_kinds(add_fields(entries, False, set()))
    real = [name for name, kind in fields.items() if kind is None]
    if not named and fields and fields[ALL] == Kind("number", entries["index"][0]):
        real = [ALL]
    if real:
        fields |= dict.fromkeys(real)
        fields |= _split_into_numbers(path, real)
    return {name: kind for name, kind in fields.items() if kind}


def _infer_kinds(entries: pl.DataFrame) -> dict[str, Kind | None]:
    """Infer the kind of every field; None for real values of several indices."""
    fields: dict[str, Kind | None] = {}
    for name, field_entries in sorted(group_by_field(entries).items(), key=_field_order):
        kind = next(
            (kind for kind in KINDS if not contradictions(field_entries, Kind(kind)).any()), None
        )
        index = field_entries["index"][0] if kind == "number" else None
        fields[name] = Kind(kind, index) if kind else None
    return fields


def _split_into_numbers(path: Path, names: list[str]) -> dict[str, Kind | None]:
    """Make a number of every index with a real value, in any row, of fields whose values are real;
    the other entries of such a field stay one of several codes."""
    parts = []
    for block in filter(has_rows, blocks(path)):
        lines = parse_lines(path, block)
        _, entries = parse_entries(lines, is_named(lines))
        entries = add_fields(entries, False, set()).filter(pl.col("base").is_in(names))
        is_real = (pl.col("value") != 1).any()
        parts.append(entries.group_by("base", "single", "index").agg(is_real.alias("is_real")))
    indices = pl.concat(parts).group_by("base", "single", "index").agg(pl.col("is_real").any())
    real = indices.filter("is_real").sort(pl.col("base"), pl.col("index").cast(pl.Float64))
    if len(real) > MOST_NUMBERS:
        raise UserError(
            f"{path}: {len(real):,} indices have real values, at most {MOST_NUMBERS:,} are read as "
            f"numbers; declare those of use with data.fields=['{real['single'][0]}:number:"
            f"{real['index'][0]}', ...]"
        )
    codes = indices.filter(~pl.col("is_real"))["base"].unique()
    fields: dict[str, Kind | None] = {name: Kind("multi") for name in names if name in codes}
    return fields | {name: Kind("number", i) for name, i in real.select("single", "index").rows()}


def _field_order(item: tuple[str, pl.DataFrame]) -> tuple[int, str]:
    """Sort fields by number, then by name."""
    name = item[0]
    return (int(name) if name.isdecimal() else 0, name)
