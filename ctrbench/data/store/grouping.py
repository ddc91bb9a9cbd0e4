"""Groups of rows, for figures within each of them (GAUC): a raw column's values as codes.

A code stands for a raw value, not for an encoded one: rare values share an id, and would be one
group.
"""

from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.schema import GROUP
from ctrbench.data.sources.base import Source
from ctrbench.data.split import PARTS
from ctrbench.data.store import stages
from ctrbench.data.store.arrays import Bytes
from ctrbench.errors import UserError
from ctrbench.settings import nearest

GROUPED = ("valid", "test")  # the splits that are scored
NO_GROUP = -1  # of a row without a value


def check_group(source: Source) -> None:
    """Refuse a group that is no column of one value a row."""
    name = source.settings.group
    if name is not None and name not in source.groupable:
        hint = nearest(name, source.groupable)
        raise UserError(f"data.group={name}: no column of one value a row; {hint}")


def write_groups(group: str, slices: list[Path], parts: Bytes, work: Path) -> None:
    """Write ``valid.groups.npy`` and ``test.groups.npy``: int32 codes, ``NO_GROUP`` where a row has
    no value. Codes count from 0 as values first occur, a few million rows at a time, among these
    in validation rows first. Memory holds these rows' values, the codes and the distinct values.

    Args:
        group: the column.
        slices: of raw rows.
        parts: of every row, an index into PARTS.
    """
    kinds = pl.read_parquet_schema(slices[0])
    name = GROUP if GROUP in kinds else group
    vocabulary = pl.DataFrame(schema={"value": kinds[name], "code": pl.Int32()})
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
