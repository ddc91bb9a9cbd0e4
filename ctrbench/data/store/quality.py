"""What is wrong with rows: refused, or said before training."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from ctrbench.data.schema import LABEL, Schema
from ctrbench.data.sources.base import FileSource, Source
from ctrbench.data.split import PARTS
from ctrbench.data.store.encodings import target_statistics
from ctrbench.data.store.field_auc import find_leaks
from ctrbench.data.store.opened import load_part
from ctrbench.data.store.repeats import check_repeats
from ctrbench.errors import UserError


def check_rows(folder: Path, schema: Schema, source: Source) -> list[str]:
    """Return warnings of fields that tell the label, and of rows that are in two files.

    Args:
        folder: of the arrays of all parts.
    """
    files = {path.name for path in folder.glob("*.npy")}
    parts = {name: load_part(folder, name, files) for name in PARTS}
    warnings = find_leaks(schema, parts)
    if isinstance(source, FileSource) and source.is_split:
        names = {part: source.named(part) for part in source.files}
        computed = len(target_statistics(source, schema.fields))  # differ in equal rows
        columns = slice(len(schema.value_slots) - computed)
        parts = {n: replace(p, values_NX=p.values_NX[:, columns]) for n, p in parts.items()}
        warnings += check_repeats(parts, names)
    return warnings


def check_labels(source: Source, slices: list[Path], raw: list[pl.DataFrame]) -> None:
    """Refuse -1 beside 0: a label has two values.

    Args:
        slices: the files of raw rows, named by their split.
        raw: their labels.
    """
    first: dict[int, str] = {}
    rows = dict.fromkeys(("all", *PARTS), 0)  # of each file so far
    for path, frame in zip(slices, raw, strict=True):
        part = path.stem.rpartition("-")[2]
        labels = frame[LABEL].cast(pl.Int8)
        for value in (-1, 0):
            if value not in first and (is_value := labels == value).any():
                where = source.named(part) if isinstance(source, FileSource) else part
                first[value] = f"{where}, row {rows[part] + int(is_value.arg_max() or 0) + 1}"
        rows[part] += len(frame)
    if len(first) > 1:
        raise UserError(
            f"data={source.settings.name}: two labels for no click, -1 ({first[-1]}) and 0 "
            f"({first[0]}); remove the rows of one of them, or write one for the other"
        )
