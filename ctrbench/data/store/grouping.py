"""Groups of rows, for figures within each of them (GAUC) and for a split that keeps each together:
a raw column's values, and these as codes.

A code stands for a raw value, not for an encoded one: rare values share an id, and would be one
group.
"""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.schema import GROUP
from ctrbench.data.settings import SplitSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.split import PARTS, TIED_SHARE
from ctrbench.data.store import stages
from ctrbench.data.store.arrays import Bytes
from ctrbench.errors import UserError
from ctrbench.settings import nearest

GROUPED = ("valid", "test")  # the splits that are scored
NO_GROUP = -1  # of a row without a value


def check_group(source: Source, split: SplitSettings) -> None:
    """Refuse a group that is no column of one value a row, and a split by none."""
    name = source.settings.group
    if name is None and split.kind == "group" and not source.is_split:
        raise UserError("split=group needs data.group=COLUMN, whose values stay together")
    if name is not None and name not in source.groupable:
        hint = nearest(name, source.groupable)
        raise UserError(f"data.group={name}: no column of one value a row; {hint}")


def read_groups(group: str, slices: list[Path]) -> pl.Series:
    """Return the raw value of every row in a column; null where a row has none."""
    name = _column_of(group, slices)
    return pl.concat([pl.read_parquet(path, columns=[name])[name] for path in slices])


def _column_of(group: str, slices: list[Path]) -> str:
    return GROUP if GROUP in pl.read_parquet_schema(slices[0]) else group


def write_groups(group: str, slices: list[Path], parts: Bytes, work: Path) -> None:
    """Write ``valid.groups.npy`` and ``test.groups.npy``: int32 codes, ``NO_GROUP`` where a row has
    no value. Codes count from 0 as values first occur, a few million rows at a time, among these
    in validation rows first. Memory holds these rows' values, the codes and the distinct values.

    Args:
        group: the column.
        slices: of raw rows.
        parts: of every row, an index into PARTS.
    """
    name = _column_of(group, slices)
    kind = pl.read_parquet_schema(slices[0])[name]
    vocabulary = pl.DataFrame(schema={"value": kind, "code": pl.Int32()})
    codes: dict[str, list[pl.Series]] = {part: [] for part in GROUPED}
    for start, paths in stages.groups(slices, stages.FIT_CELLS):
        values = pl.read_parquet(paths, columns=[name])[name].alias("value")
        row_parts = pl.Series(parts[start : start + len(values)])
        for part in GROUPED:
            rows = values.filter(row_parts == PARTS.index(part)).to_frame()
            vocabulary = pl.concat([vocabulary, _new(rows["value"], vocabulary)])
            coded = rows.join(vocabulary, on="value", how="left", maintain_order="left")
            codes[part].append(coded["code"].fill_null(NO_GROUP))
    for part, pieces in codes.items():
        np.save(work / f"{part}.groups.npy", pl.concat(pieces).to_numpy().astype("<i4"))


def _new(values: pl.Series, known: pl.DataFrame) -> pl.DataFrame:
    """Return the values without a code, with the next free codes."""
    distinct = values.drop_nulls().unique(maintain_order=True)
    new = distinct.filter(~distinct.is_in(known["value"].implode()))
    codes = pl.arange(len(known), len(known) + len(new), dtype=pl.Int32, eager=True)
    return pl.DataFrame({"value": new, "code": codes})


def by_group(settings: SplitSettings, groups_N: pl.Series) -> Bytes:
    """Return the part of every row by its group: each group has a number of its own, drawn by the
    seed from its value alone. Rows without a group are training rows.

    Args:
        groups_N: values of any type that has a text.
    """
    bounds = np.cumsum(settings.fractions)[:-1]
    values = groups_N.cast(pl.String)
    distinct = values.drop_nulls().unique()
    drawn = np.array([_uniform(settings.seed, value) for value in distinct])
    parts = np.searchsorted(bounds, drawn, side="right").astype(np.uint8)
    found = values.replace_strict(distinct, pl.Series(parts, dtype=pl.UInt8), default=0)
    return found.to_numpy().astype(np.uint8)


def _uniform(seed: int, value: str) -> float:
    """Return a number within 0 and 1 that depends on a seed and a text."""
    digest = hashlib.sha256(f"ctrbench group split {seed} {value}".encode()).digest()
    return int.from_bytes(digest[:8], "little") / 2**64


def check_groups(
    settings: SplitSettings, parts_N: Bytes, groups_N: pl.Series, column: str
) -> list[str]:
    """Return warnings of rows without a group, and of groups so large that the parts of a split by
    group are other than asked."""
    warnings = []
    if without := groups_N.null_count():
        warnings.append(
            f"split=group: {without:,} of {len(groups_N):,} rows have no {column}; they are "
            "training rows"
        )
    shares = np.bincount(parts_N, minlength=len(PARTS)) / len(parts_N)
    if np.abs(shares - settings.fractions).max() > TIED_SHARE:
        named = ", ".join(f"{name} {share:.0%}" for name, share in zip(PARTS, shares, strict=True))
        warnings.append(
            f"split=group: rows of one {column} stay together, and it has "
            f"{groups_N.n_unique():,} values; so the parts are {named} of the rows"
        )
    return warnings
