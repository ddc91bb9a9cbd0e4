"""Each model against the best of a section and against the baseline."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report.group import BASELINE, FIGURES, Section
from ctrbench.report.judged.statistics import LEVEL, Difference, delong, holm, paired_rows, paired_t
from ctrbench.report.markdown import NONE, cells
from ctrbench.runs.interface import Run

SIGNIFICANT = 1 - LEVEL
UNKNOWN = Difference(np.nan, np.nan, np.nan, np.nan)
LEVEL_WITH, UNTESTED = "not distinguishable", "untested"
BETTER = {"auc": 1, "logloss": -1}


def comparisons(section: Section) -> pd.DataFrame:
    """A row for each model and what it is held against, both in their chosen setting.

    Columns: ``model``, ``against``, ``seeds`` (common ones), ``test`` (how it was tested), and for
    both figures ``FIGURE_difference``, ``_low``, ``_high``, ``_p`` (corrected by Holm's steps for
    the number of models) and ``_says``: better, worse, not distinguishable, or untested.
    """
    chosen = section.groups[section.groups["chosen"]].set_index("model")
    best = chosen["test_auc_mean"].idxmax()
    others = dict.fromkeys(name for name in (best, BASELINE) if name in chosen.index)
    families = [
        _family([_pair(section, chosen, name, other) for name in chosen.index if name != other])
        for other in others
    ]
    made = [family for family in families if len(family)]
    return pd.concat(made, ignore_index=True) if made else pd.DataFrame()


def _family(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for figure in FIGURES if len(table) else ():
        table[f"{figure}_p"] = holm(table[f"{figure}_p"])
        table[f"{figure}_says"] = [
            _says(figure, difference, p)
            for difference, p in zip(
                table[f"{figure}_difference"], table[f"{figure}_p"], strict=True
            )
        ]
    return table


def _says(figure: str, difference: float, p: float) -> str:
    if np.isnan(p):
        return UNTESTED
    if p >= SIGNIFICANT:
        return LEVEL_WITH
    return "better" if difference * BETTER[figure] > 0 else "worse"


def _pair(section: Section, chosen: pd.DataFrame, model: str, other: str) -> dict[str, Any]:
    runs = section.runs.set_index("seed")
    ours, theirs = (runs[runs["group"] == chosen.loc[name, "group"]] for name in (model, other))
    seeds = sorted(set(ours.index) & set(theirs.index))
    row: dict[str, Any] = {"model": model, "against": other, "seeds": len(seeds)}
    row["test"], found = tested(ours.loc[seeds], theirs.loc[seeds])
    for figure, difference in zip(FIGURES, found, strict=True):
        row |= {
            f"{figure}_difference": difference.mean,
            f"{figure}_low": difference.low,
            f"{figure}_high": difference.high,
            f"{figure}_p": difference.p,
        }
    return row


def tested(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[str, list[Difference]]:
    """How two settings were compared, and the difference in each of ``FIGURES``.

    Args:
        ours: runs of the common seeds.
        theirs: the other's, in the same order.
    """
    if ours.empty:
        return "untested: no common seed", [UNKNOWN, UNKNOWN]
    pairs = [(ours[f"metrics.test.{f}"], theirs[f"metrics.test.{f}"]) for f in FIGURES]
    if len(ours) > 1:
        return "t-test over seeds", [paired_t(*pair) for pair in pairs]
    plain = [replace(UNKNOWN, mean=float(a.iloc[0] - b.iloc[0])) for a, b in pairs]
    try:
        one, two = (Run(Path(runs["path"].iloc[0])) for runs in (ours, theirs))
        labels_N = one.labels
        if not len(labels_N) == len(one.logits) == len(two.logits):
            return "untested: other rows", plain
        on_rows = [test(one.logits, two.logits, labels_N) for test in (delong, paired_rows)]
    except UserError:
        return "untested: one seed, and its logits or labels are not here", plain
    return "on the test rows", on_rows


def level_with_best(section: Section, compared: pd.DataFrame) -> set[str]:
    """The models that are not distinguishable from the best."""
    if compared.empty:
        return set()
    chosen = section.groups[section.groups["chosen"]].set_index("model")
    best = chosen["test_auc_mean"].idxmax()
    level = (compared["against"] == best) & (compared["auc_says"] == LEVEL_WITH)
    return set(compared.loc[level, "model"])


def in_words(row: pd.Series) -> str:
    """What a comparison says."""
    said = {figure: str(row[f"{figure}_says"]) for figure in FIGURES}
    if set(said.values()) == {UNTESTED}:
        return str(row["test"])
    seeds = f"at {row['seeds']} seeds" if row["seeds"] > 1 else "with one seed"
    long = {LEVEL_WITH: f"{LEVEL_WITH} {seeds}"}
    auc, logloss = (long.get(word, word) for word in said.values())
    if auc == logloss:
        return auc if auc in long.values() else f"{auc} in AUC and logloss"
    return f"AUC {auc}, logloss {logloss}"


def reading(compared: pd.DataFrame) -> pd.DataFrame:
    """What a person reads of :func:`comparisons`."""
    shown = compared[["model", "against"]].copy()
    shown["seeds"] = compared["seeds"].astype(str)
    for figure in FIGURES:
        columns = [compared[f"{figure}_{what}"] for what in ("difference", "low", "high")]
        shown[f"{figure} difference"] = [
            NONE if np.isnan(mean) else f"{mean:+.5f}" + _interval(low, high)
            for mean, low, high in zip(*columns, strict=True)
        ]
        shown[f"{figure} p"] = cells(compared[f"{figure}_p"], "{:.2g}")
    shown["in words"] = compared.apply(in_words, axis=1)
    return shown


def _interval(low: float, high: float) -> str:
    return "" if np.isnan(low) else f" [{low:+.5f}, {high:+.5f}]"


def note(compared: pd.DataFrame) -> str:
    """How the table came about."""
    tests = set(compared["test"])
    said = [
        "Differences of test figures to the best by mean AUC, and to lr, each model in its chosen "
        f"setting, with intervals of {LEVEL:.0%} and p corrected for the number of models (Holm)."
    ]
    if "t-test over seeds" in tests:
        said.append("Several seeds: a paired t-test over the common ones.")
    if "on the test rows" in tests:
        said.append(
            "One seed: DeLong's test of the AUC and a bootstrap of the logloss, on the test rows; "
            "what another seed would give, they cannot say."
        )
    return " ".join(said)
