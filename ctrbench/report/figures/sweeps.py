"""Ablations among the runs of a section: lines of settings that differ in one option alone.

An option can pull others with it: ``optimizer=adam,adagrad`` changes the learning rate and eps,
``model.shape`` the widths. The overrides that a run keeps say which option was swept. So two
settings are on one line if all of their composed values but one are equal, or all of their
overrides but one.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report.group import Section, as_text, best_by_validation, differing
from ctrbench.settings import nearest

KEEP = "model.dropout"  # drawn as the paper does: the probability of keeping
# The option in which a choice of a group stands: `optimizer=adam` is `optimizer.name: adam`.
NAMES = {
    "model": "model.name",
    "optimizer": "optimizer.name",
    "schedule": "trainer.schedule.name",
    "trainer/schedule": "trainer.schedule.name",
    "split": "split.kind",
    "data": "data.name",
}
# Overrides that no result depends on, or that tell the seeds of one setting apart.
UNRELATED = ("seed", "threads", "device", "rows_in", "tracker", "results", "budget.seeds")
UNSET = "(default)"


@dataclass(frozen=True)
class Sweep:
    """The settings of one model that differ in one option, and in what follows from it.

    Attributes:
        rows: the groups of the section on the line, in the order of the option's values, which
            stand in the column ``key``; of several lines as long, that of the chosen setting.
        others: the other lines as long.
        fixed: for each line, ``rows`` first, the settings by which it differs from the model's
            other settings, as text; empty where there are none.
        pulled: options that change together with this one.
    """

    model: str
    key: str
    rows: pd.DataFrame
    others: list[pd.DataFrame] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[pd.DataFrame]:
        """All lines, that of ``rows`` first."""
        return [self.rows, *self.others]

    @property
    def values(self) -> list[Any]:
        """The option's values on the line ``rows``: numbers, or text where one is no number."""
        return self.values_of(self.rows)

    def values_of(self, rows: pd.DataFrame) -> list[Any]:
        """Return the option's values on one of the lines, as numbers if all lines have numbers."""
        if all(is_number(value) for line in self.lines for value in line[self.key]):
            return [float(1 - v if self.key == KEEP else v) for v in rows[self.key]]
        return [as_text(value) for value in rows[self.key]]


def is_number(value: Any) -> bool:
    """Return whether a value is a number; null and booleans are none."""
    is_truth = isinstance(value, bool | np.bool_)
    return isinstance(value, int | float | np.number) and not is_truth and value == value


def sweeps(section: Section, x: str | None = None) -> dict[str, list[Sweep]]:
    """Return the sweeps of a section by their option, one for each model.

    Args:
        x: the one option to take.
    """
    sweeps_by_key: dict[str, list[Sweep]] = {}
    for model, rows in section.groups.groupby("model", sort=False):
        for key, lines in _longest_lines(rows).items():
            sweeps_by_key.setdefault(key, []).append(_sweep(str(model), key, rows, lines))
    if x is not None and x not in sweeps_by_key:
        raise UserError(f"x={x}: {why_not_swept([section], x)}")
    return {key: rows for key, rows in sweeps_by_key.items() if x in (None, key)}


def is_swept(section: Section, option: str) -> bool:
    """Return whether settings of a model differ in an option alone."""
    return option in sweeps(section)


def why_not_swept(sections: list[Section], x: str) -> str:
    """Return why no figure of some sections can be drawn over an option, and what can be done."""
    swept = [pair for section in sections for pair in sweeps(section).items()]
    pulling = [key for key, models in swept if any(x in sweep.pulled for sweep in models)]
    if pulling:
        return f"changes only together with {pulling[0]}; give x={pulling[0]}"
    models = [rows for section in sections for _, rows in section.groups.groupby("model")]
    if any(x in differing(rows) for rows in models):
        return "runs that differ in it differ in other options too; train some that do not"
    hint = nearest(x, dict(swept)) if swept else "no option was swept"
    return f"no model's runs differ in it; {hint}"


Line = tuple[Any, ...]  # labels of rows


def _longest_lines(groups: pd.DataFrame) -> dict[str, list[Line]]:
    """Return for each option the lines with most points among one model's settings."""
    by_values = lines_in(option_table(groups))
    by_overrides = lines_in(override_table(groups))
    swept = {frozenset(line) for lines in by_overrides.values() for line in lines}
    for key, lines in by_values.items():
        named = by_overrides.setdefault(key, [])
        # the same settings under the swept option, which the user knows: not under what it pulls
        named += [line for line in lines if frozenset(line) not in swept]
    longest = {}
    for key, lines in by_overrides.items():
        if lines:
            most = max(map(len, lines))
            longest[key] = [line for line in lines if len(line) == most]
    return longest


def option_table(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the options in which settings of one model differ, as text."""
    return groups[differing(groups)].map(as_text)


def override_table(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the overrides in which settings of one model differ, as text.

    Where an override is of an option its composed value is taken, for some runs leave out what is
    the default.

    Settings whose overrides are not known, or are those of another, have no row.
    """
    with_overrides = (
        groups[groups["overrides"].map(lambda overrides: isinstance(overrides, dict))]
        if "overrides" in groups
        else groups[:0]
    )
    keys = (
        sorted({key for overrides in with_overrides["overrides"] for key in overrides})
        if len(with_overrides)
        else []
    )
    table = pd.DataFrame(index=with_overrides.index)
    for key in keys:
        column = NAMES.get(key, key)
        words = [overrides.get(key, UNSET) for overrides in with_overrides["overrides"]]
        if key in UNRELATED or len(set(words)) == 1:  # as `optimizer.lr=${model.dropout}` is
            continue
        table[key] = with_overrides[column].map(as_text) if column in with_overrides else words
    table = table.loc[:, table.nunique() > 1]
    return table[~table.duplicated(keep=False)] if len(table.columns) else table[:0]


def lines_in(table: pd.DataFrame) -> dict[str, list[Line]]:
    """Return for each column the sets of two or more rows that are equal in all other columns."""
    lines: dict[str, list[Line]] = {}
    for key in table.columns:
        rest = table.drop(columns=key).agg("\0".join, axis=1) if table.shape[1] > 1 else None
        alike = [table] if rest is None else [rows for _, rows in table.groupby(rest, sort=False)]
        row_sets = [tuple(rows.index) for rows in alike if len(rows) > 1 and rows[key].is_unique]
        if row_sets:
            lines[str(key)] = row_sets
    return lines


def _sweep(model: str, key: str, groups: pd.DataFrame, lines: list[Line]) -> Sweep:
    tables = [_with_values(groups.loc[list(line)], key) for line in lines]
    chosen = [table for table in tables if table["chosen"].any()]
    if not chosen:  # the line that is best on the validation rows
        best = best_by_validation(pd.concat(tables))
        chosen = [table for table in tables if best in table.index]
    main = chosen[0]
    others = [table for table in tables if table is not main]
    pulled = sorted({name for table in tables for name in differing(table)} - {key, NAMES.get(key)})
    fixed = [k for k in differing(groups) if k not in (key, NAMES.get(key), *pulled)]
    fixed_texts = [
        ", ".join(f"{k}={as_text(table[k].iloc[0])}" for k in fixed) for table in (main, *others)
    ]
    return Sweep(model, key, main, others, fixed_texts, pulled)


def _with_values(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    if key in rows:
        return sort_by_option(rows, key)
    if NAMES.get(key) in rows:
        return sort_by_option(rows.assign(**{key: rows[NAMES[key]]}), key)
    return sort_by_option(rows.assign(**{key: [o.get(key, UNSET) for o in rows["overrides"]]}), key)


def sort_by_option(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Sort by the values of an option: numbers, null first; lists, the shorter first; other values
    in the order of the sweep."""
    numeric = pd.to_numeric(rows[key], errors="coerce")
    if (numeric.notna() | rows[key].isna()).all():
        return rows.iloc[np.argsort(numeric.astype(float).fillna(-np.inf), kind="stable")]
    lists = [_as_list(value) for value in rows[key]]
    if all(item is not None for item in lists):
        order = sorted(range(len(rows)), key=lambda i: lists[i] or (0, []))
        return rows.iloc[order]
    if "job" in rows:
        return rows.sort_values("job", kind="stable", na_position="first")
    return rows


def _as_list(value: Any) -> tuple[int, list[float]] | None:
    """Return a list of numbers, as a cell holds it, with its length; None for anything else."""
    if value is None or value is pd.NA or value != value:
        return (-1, [])
    try:
        items = json.loads(str(value))
        return (len(items), [float(item) for item in items])
    except (ValueError, TypeError):
        return None
