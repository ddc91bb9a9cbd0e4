"""The leaderboard of a page: figure and table in one, a dot with its deviation in each row."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.ticker import MaxNLocator

from ctrbench.markdown import Rows
from ctrbench.report.figures.drawing import line_style
from ctrbench.report.figures.overview import chosen_rows, paper_results
from ctrbench.report.html import Axis, Best, Dots
from ctrbench.report.judged.comparisons import models_not_different, reference
from ctrbench.report.section_report import SectionReport

MARGIN = 0.04  # of the axis, on both sides
TICKS = 3
ELSEWHERE = ("settings", "validation")  # columns of the table of all settings
HIGHER = {"AUC": True, "GAUC": True, "logloss": False}  # whether more is better, by last word


@dataclass(frozen=True)
class Board:
    """The rows of a leaderboard, with the places of those that share the best one's band."""

    title: str
    rows: Rows
    shaded: list[int]


def leaderboard_table(report: SectionReport) -> Board:
    """Return a section's chosen settings with a column of dots."""
    rows = chosen_rows(report.section)
    cells, axis = _dots(report, rows)
    best = models_not_different(report.section, report.comparisons) | {reference(report.section)}
    shaded = [i for i, model in enumerate(rows["model"]) if model in best]
    table = [
        {"model": row["model"], axis: cell}
        | {k: v for k, v in row.items() if not k.startswith(ELSEWHERE)}
        for row, cell in zip(report.leaders.rows, cells, strict=True)
    ]
    title = f"{report.leaders.title}, {report.title}"
    return Board(title, _mark_best(table), shaded if len(shaded) > 1 else [])


def _dots(report: SectionReport, rows: pd.DataFrame) -> tuple[list[Dots], Axis]:
    """Return a cell for each row, and the head of their column, places in per cent."""
    auc, spread = rows["test_auc_mean"].astype(float), rows["test_auc_std"].astype(float).fillna(0)
    papers = [
        [
            float(printed.loc[m, "auc"])
            for printed in paper_results(report.section).values()
            if m in printed.index
        ]
        for m in rows["model"]
    ]
    printed = [value for values in papers for value in values]
    low, high = min([*(auc - spread), *printed]), max([*(auc + spread), *printed])
    pad = MARGIN * (high - low) or 0.001
    low, high = low - pad, high + pad

    def place(value: Any) -> float:
        return round(100 * (float(value) - float(low)) / float(high - low), 2)

    cells = [
        Dots(
            f"{mean:.5f}",
            text=f"test AUC {mean:.5f}" + (f" ± {deviation:.5f}" if deviation else ""),
            place=place(mean),
            low=place(mean - deviation),
            width=round(place(mean + deviation) - place(mean - deviation), 2),
            papers=list(map(place, values)),
            color=line_style(model)["color"],
        )
        for model, mean, deviation, values in zip(rows["model"], auc, spread, papers, strict=True)
    ]
    ticks = [tick for tick in MaxNLocator(TICKS).tick_values(low, high) if low <= tick <= high]
    digits = max((len(f"{tick:.6g}") for tick in ticks), default=5) - 2
    return cells, Axis("test AUC ± deviation", [(place(t), f"{t:.{digits}f}") for t in ticks])


def _mark_best(rows: Rows) -> Rows:
    """Mark the best value of each column of a metric."""
    for head in rows[0] if len(rows) > 1 else ():
        if (higher := HIGHER.get(head.split()[-1])) is None or isinstance(head, Axis):
            continue
        values = [pd.to_numeric(row[head].split()[0], errors="coerce") for row in rows]
        known = [value for value in values if value == value]
        for row, value in zip(rows, values, strict=True):
            if known and value == (max(known) if higher else min(known)):
                row[head] = Best(row[head])
    return rows
