"""Runs that a report lists as broken; none of them stops the report."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd

from ctrbench.errors import UserError, one_line
from ctrbench.files import in_order
from ctrbench.report.group import copies
from ctrbench.runs.frame import BROKEN, FINISHED
from ctrbench.runs.verify import disagreement

Result = TypeVar("Result")
SAME = ["data", "dataset.content", "group", "seed"]


def check_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Mark runs as broken whose record disagrees with their files, and different runs of the same
    settings and seed."""
    finished = table[table["state"] == FINISHED]
    checks = [partial(disagreement, Path(path)) for path in finished["path"]]
    reasons = dict(zip(finished.index, in_order(checks, os.cpu_count() or 1), strict=True))
    table = mark_broken(table, {i: reason for i, reason in reasons.items() if reason})
    return mark_broken(table, _conflicts(table))


def _conflicts(table: pd.DataFrame) -> dict[int, str]:
    """Return the runs of the same settings and seed that are not copies of one run."""
    finished = table[table["state"] == FINISHED]
    if finished.empty:
        return {}
    distinct = finished.drop(copies(table).index)
    repeated = distinct[distinct.duplicated(SAME, keep=False)]
    reasons = {}
    for _, alike in repeated.groupby(SAME, sort=False):
        paths = " and ".join(alike["path"])
        for i in alike.index:
            reasons[i] = f"{paths}: runs of the same settings and seed; leave one out"
    return reasons


def mark_broken(table: pd.DataFrame, reasons: dict[int, str]) -> pd.DataFrame:
    """Return the table with some runs broken, by their label in it."""
    table = table.copy()
    for i, reason in reasons.items():
        table.loc[i, ["state", "reason"]] = [BROKEN, reason]
    return table


def without_odd_runs(
    table: pd.DataFrame, make: Callable[[pd.DataFrame], Result]
) -> tuple[Result, pd.DataFrame]:
    """Return ``make(table)`` and the table; runs with which it fails are marked as broken."""
    while True:
        try:
            return make(table), table
        except UserError:
            raise
        except Exception as error:  # of whatever an odd record holds
            odd = _first_odd(table, make)
            if odd is None:
                raise
            reason = f"its record cannot be reported on ({one_line(error)}); leave it out"
            table = mark_broken(table, {odd: reason})


def _first_odd(table: pd.DataFrame, make: Callable[[pd.DataFrame], Result]) -> int | None:
    """Return the first run with which ``make`` fails; None if it fails without any run."""
    finished = list(table.index[table["state"] == FINISHED])

    def fails_with(count: int) -> bool:
        return not _can_make(mark_broken(table, dict.fromkeys(finished[count:], "")), make)

    good, bad = 0, len(finished)
    if not finished or fails_with(0):
        return None
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if fails_with(middle) else (middle, bad)
    return int(finished[good])


def _can_make(table: pd.DataFrame, make: Callable[[pd.DataFrame], Result]) -> bool:
    try:
        make(table)
    except UserError:  # as of an option that these few runs do not differ in
        return True
    except Exception:
        return False
    return True
