"""The split and the label of every row of a source, from its raw slices."""

from pathlib import Path

import numpy as np
import polars as pl

from ctrbench.data.schema import LABEL, TIME, clicks
from ctrbench.data.settings import SplitSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.split import PARTS, assign, by_time, check_ties, leave_out
from ctrbench.data.store.arrays import Bytes
from ctrbench.data.store.grouping import by_group, check_groups, read_groups
from ctrbench.data.store.quality import check_labels


def split_rows(
    source: Source, split: SplitSettings, slices: list[Path]
) -> tuple[Bytes, Bytes, list[str]]:
    """Return the split and the label (1 or 0) of every row, and warnings.

    A split is an index into PARTS, or LEFT_OUT.

    Args:
        slices: of raw rows, in the order of the source.
    """
    raw = [pl.read_parquet(path, columns=[LABEL]) for path in slices]
    check_labels(source, slices, raw)
    labels = [clicks(frame) for frame in raw]
    if split.kind == "time" and not source.is_split:
        times = [pl.read_parquet(path, columns=[TIME])[TIME].to_numpy() for path in slices]
        time_N = np.concatenate(times)
        parts_N = by_time(split, time_N)
        how = (str(source.settings.when), source.time_text)
        warnings = check_ties(split, parts_N, time_N, *how)
        return leave_out(split, parts_N), np.concatenate(labels), warnings
    if split.kind == "group" and not source.is_split:
        group = str(source.settings.group)
        groups_N = read_groups(group, slices)
        parts_N = by_group(split, groups_N)
        warnings = check_groups(split, parts_N, groups_N, group)
        return leave_out(split, parts_N), np.concatenate(labels), warnings
    parts, start, total = [], 0, sum(map(len, labels))
    for path, column in zip(slices, labels, strict=True):
        named = path.stem.rpartition("-")[2]
        if named == "all":
            parts.append(assign(split, start, len(column), total))
        else:
            parts.append(np.full(len(column), PARTS.index(named), np.uint8))
        start += len(column)
    return leave_out(split, np.concatenate(parts)), np.concatenate(labels), []
