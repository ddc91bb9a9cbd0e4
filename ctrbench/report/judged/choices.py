"""Whether the values of a swept option can be told apart: a sentence for the headline."""

import numpy as np
import pandas as pd

from ctrbench.report.figures.sweeps import Sweep, sweeps
from ctrbench.report.group import Section
from ctrbench.report.judged.comparisons import SIGNIFICANT
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.judged.statistics import holm
from ctrbench.report.names import list_titles, option_title


def choice_sentence(section: Section, tests: PairedTests, option: str) -> str:
    """Return by how much an option moves the AUC of the models, how much seeds do, and for which
    models a value differs from the best one; empty where the option was not swept."""
    swept = sweeps(section).get(option, [])
    if not swept:
        return ""
    moves = [_range(sweep.rows["test_auc_mean"]) for sweep in swept]
    deviations = pd.concat([sweep.rows["test_auc_std"] for sweep in swept]).astype(float)
    name = option_title(option)
    text = f"{name[0].upper()}{name[1:]} moves AUC by {_between(moves)}"
    if deviations.isna().all():
        return f"{text}; at one seed each, training noise is not known."
    text += f", seeds by {_between(deviations.dropna())}"
    differing = [sweep.model for sweep in swept if _differs(sweep, tests)]
    if not differing:
        return f"{text}: no choice can be told from another."
    if len(differing) == len(swept):
        return f"{text}: {_subject(swept)} a choice is worse than the best one."
    rest = "the other model" if len(swept) - len(differing) == 1 else "the other models"
    return (
        f"{text}: a choice is worse than the best one for {list_titles(differing)}, "
        f"for {rest} no choice can be told from another."
    )


def _subject(swept: list[Sweep]) -> str:
    if len(swept) == 1:
        return f"for {list_titles([swept[0].model])}"
    return f"for all {len(swept)} models"


def _differs(sweep: Sweep, tests: PairedTests) -> bool:
    """Return whether a setting differs in AUC from the one chosen on the validation rows; corrected
    for all pairs of settings, for the chosen one was selected among them."""
    rows = sweep.rows
    chosen = (
        rows["chosen"]
        if rows["chosen"].any()
        else rows["valid_auc_mean"].eq(rows["valid_auc_mean"].max())
    )
    best = str(rows.loc[chosen, "group"].iloc[0])
    compared = [tests.compare(str(g), best) for g in rows["group"] if g != best]
    p = [one.differences[0].p if one.seeds > 1 else np.nan for one in compared]
    pairs = len(rows) * (len(rows) - 1) // 2
    return bool((holm(p, pairs) < SIGNIFICANT).any())


def _range(values: pd.Series) -> float:
    return float(values.max() - values.min())


def _between(values: "pd.Series | list[float]") -> str:
    """Return the least and the largest of some differences, as ``.0006 to .0035``."""
    ends = [f"{value:.4f}".lstrip("0") for value in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
