"""The leaderboard over data sets, of a report on runs of several."""

from functools import cached_property

import numpy as np
import pandas as pd

from ctrbench.markdown import Rows
from ctrbench.report.figures.drawing import Figure
from ctrbench.report.figures.over_data import draw_over_data
from ctrbench.report.html import Link
from ctrbench.report.judged.ranks import (
    DRAWS,
    bootstrap_intervals,
    critical_difference,
    friedman_p,
    improvability,
    mean_ranks,
    wins,
)
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.names import list_titles, metric_title, model_title
from ctrbench.report.section_report import SectionReport
from ctrbench.report.table import Table

METRICS = ("auc", "logloss")


class OverData:
    """Models in their chosen settings over the data sets of a report.

    False where the report has one data set, or fewer than two models that have runs on all.
    """

    def __init__(self, reports: list[SectionReport]) -> None:
        self.reports = reports
        self._all = {name: _means(reports, name) for name in METRICS}
        auc, logloss = (table.dropna(axis="columns") for table in self._all.values())
        self.scores, self.errors = auc, {"auc": 1 - auc, "logloss": logloss}

    def __bool__(self) -> bool:
        data_sets = {str(report.section.runs["data"].iloc[0]) for report in self.reports}
        return len(data_sets) > 1 and self.scores.shape[1] > 1

    @cached_property
    def ranks(self) -> pd.Series:
        """The mean rank of each model in AUC, the best first."""
        return mean_ranks(self.scores).sort_values(kind="stable")

    @property
    def _difference(self) -> float:
        return critical_difference(*reversed(self.scores.shape))

    @cached_property
    def headline(self) -> str:
        """Which model has the best mean rank, and which others its ranks do not tell from it."""
        best, count = str(self.ranks.index[0]), len(self.scores)
        near = [
            m for m in self.ranks.index[1:] if self.ranks[m] - self.ranks[best] < self._difference
        ]
        rank = f"{self.ranks[best]:.2f}"
        text = f"{model_title(best)} has the best mean rank over {count} data sets, {rank}"
        return f"{text}; ranks do not tell it from {list_titles(near)}." if near else f"{text}."

    @cached_property
    def table(self) -> Table:
        """Mean ranks, wins and improvability."""
        relative = {name: improvability(errors) for name, errors in self.errors.items()}
        intervals = {name: bootstrap_intervals(values) for name, values in relative.items()}
        counts = wins(self.scores)
        rows, numbers = [], []
        for model in self.ranks.index:
            row = {
                "model": model_title(str(model)),
                "mean rank": f"{self.ranks[model]:.2f}",
                "wins": str(counts[model]),
            }
            number = {"model": model, "mean_rank": self.ranks[model], "wins": counts[model]}
            for name, values in relative.items():
                mean, (low, high) = values[model].mean(), intervals[name].loc[model]
                text = f"{100 * mean:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
                row[f"improvability in {metric_title(name)} (%)"] = text
                number |= {
                    f"improvability_{name}{s}": v
                    for s, v in (("", mean), ("_low", low), ("_high", high))
                }
            rows.append(row)
            numbers.append(number)
        return Table("Over data sets", rows, "over_data", pd.DataFrame(numbers), notes=self._notes)

    @property
    def _notes(self) -> list[str]:
        """How the numbers are meant, and which models are left out."""
        p = friedman_p(self.scores)
        notes = [
            f"Ranks by test AUC, of {len(self.scores)} data sets. Mean ranks that differ by less "
            f"than {self._difference:.2f} are not told apart (critical difference at "
            f"{1 - LEVEL:.0%}; Nemenyi's test, Demšar 2006"
            + (f"; Friedman's test: p = {p:.3f})." if p == p else ")."),
            "Improvability: by how much the error of a data set's best model (1 - AUC, or the "
            "logloss) is lower, relative to the model's own, averaged over the data sets, as "
            f"TabArena has it. Intervals of {LEVEL:.0%} by drawing the data sets again, "
            f"{DRAWS:,} times.",
        ]
        partial = [model for model in self._all["auc"] if model not in self.scores]
        if partial:
            notes.append(f"Left out, for they lack runs on some: {list_titles(partial)}.")
        return notes

    @cached_property
    def data_sets(self) -> Table:
        """Each data set, with a link to its part of the page."""
        rows: Rows = []
        for report, (_, scores) in zip(self.reports, self._all["auc"].iterrows(), strict=True):
            run = report.section.runs.iloc[0]
            best = scores.astype(float).idxmax()
            rows.append(
                {
                    "data set": Link(report.title, report.leaderboard.name),
                    "training rows": f"{int(run['dataset.rows.train']):,}",
                    "test rows": f"{int(run['dataset.rows.test']):,}",
                    "models": str(int(scores.notna().sum())),
                    "highest test AUC": f"{model_title(str(best))}, {scores[best]:.4f}",
                }
            )
        return Table("Data sets", rows)

    @property
    def tables(self) -> list[Table]:
        """The leaderboard and the data sets; empty where nothing is compared over data sets."""
        return [self.table, self.data_sets] if self else []

    @cached_property
    def figure(self) -> Figure:
        """Differences to the best of each data set."""
        rest = [model for model in self._all["auc"] if model not in self.ranks.index]
        return draw_over_data(self._all["auc"][[*self.ranks.index, *rest]])


def _means(reports: list[SectionReport], name: str) -> pd.DataFrame:
    """Return the mean test figure of each model in its chosen setting, NaN where it has no runs."""
    columns = {}
    for report in reports:
        chosen = report.section.groups[report.section.groups["chosen"]]
        columns[report.title] = chosen.set_index("model")[f"test_{name}_mean"].astype(float)
    return pd.DataFrame(columns).T.astype(np.float64)
