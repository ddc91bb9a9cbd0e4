"""Each model against the best of a section and against the baseline.

The best is chosen on the validation rows: the test rows would favour the model that they flatter.
"""

from typing import Any

import numpy as np
import pandas as pd

from ctrbench.markdown import NONE
from ctrbench.report.group import BASELINE, FIGURES, Section, best_by_validation
from ctrbench.report.judged.paired import ROWS_ALONE, SEEDS_AND_ROWS, PairedTests
from ctrbench.report.judged.statistics import LEVEL, holm
from ctrbench.report.names import metric_title, model_title

SIGNIFICANT = 1 - LEVEL
NOT_DIFFERENT, UNTESTED = "not significantly different", "untested"
BETTER = {"auc": 1, "logloss": -1}
ONE_SEED = "at one seed; training noise not included"


def reference(section: Section) -> str:
    """Return the model whose chosen setting is the best on the validation rows."""
    chosen = section.groups[section.groups["chosen"]]
    return str(chosen.loc[best_by_validation(chosen), "model"])


def comparisons(section: Section, tests: PairedTests | None = None) -> pd.DataFrame:
    """Compare each model with the reference and with the baseline, all in their chosen setting.

    Columns: ``model``, ``against``, ``seeds`` (common ones), ``test`` (the noise that it includes),
    and for both figures ``FIGURE_difference``, ``_low``, ``_high``, ``_seeds`` and ``_rows``
    (standard errors by source), ``_p`` (by Holm's steps: of all pairs of models where the reference
    is the other, which was chosen among them, else of the models), ``_says``: better, worse, not
    significantly different, or untested.
    """
    tests = tests or PairedTests(section)
    chosen = section.groups[section.groups["chosen"]].set_index("model")["group"]
    others = [name for name in dict.fromkeys((reference(section), BASELINE)) if name in chosen]
    # A model at a time, so that the components of its rows are used while they are held.
    rows = [
        _pair(tests, chosen, str(model), other)
        for model in chosen.index
        for other in others
        if model != other
    ]
    pairs = len(chosen) * (len(chosen) - 1) // 2
    families = [
        _corrected(
            pd.DataFrame([row for row in rows if row["against"] == other]),
            pairs if other == others[0] else 0,
        )
        for other in others
    ]
    families = [family for family in families if len(family)]
    return pd.concat(families, ignore_index=True) if families else pd.DataFrame()


def _corrected(table: pd.DataFrame, hypotheses: int) -> pd.DataFrame:
    for figure in FIGURES if len(table) else ():
        table[f"{figure}_p"] = holm(table[f"{figure}_p"], hypotheses)
        table[f"{figure}_says"] = [
            _outcome(figure, difference, p)
            for difference, p in zip(
                table[f"{figure}_difference"], table[f"{figure}_p"], strict=True
            )
        ]
    return table


def _outcome(figure: str, difference: float, p: float) -> str:
    if np.isnan(p):
        return UNTESTED
    if p >= SIGNIFICANT:
        return NOT_DIFFERENT
    return "better" if difference * BETTER[figure] > 0 else "worse"


def _pair(tests: PairedTests, groups: pd.Series, model: str, other: str) -> dict[str, Any]:
    compared = tests.compare(groups[model], groups[other])
    row: dict[str, Any] = {
        "model": model,
        "against": other,
        "seeds": compared.seeds,
        "test": compared.test,
    }
    for figure, difference in zip(FIGURES, compared.differences, strict=True):
        row[f"{figure}_difference"] = difference.mean
        for name in ("low", "high", "seeds", "rows", "p"):
            row[f"{figure}_{name}"] = getattr(difference, name)
    return row


def models_not_different(section: Section, compared: pd.DataFrame) -> set[str]:
    """Return the models that are not significantly different from the reference in AUC."""
    if compared.empty:
        return set()
    is_not_different = (compared["against"] == reference(section)) & (
        compared["auc_says"] == NOT_DIFFERENT
    )
    return set(compared.loc[is_not_different, "model"])


def seeds_text(seeds: int) -> str:
    """Return over how many seeds a comparison is, as text."""
    return f"at {seeds} seeds" if seeds > 1 else ONE_SEED


def outcome_text(row: pd.Series) -> str:
    """Return the outcome of a comparison as text."""
    words = {figure: str(row[f"{figure}_says"]) for figure in FIGURES}
    if set(words.values()) == {UNTESTED}:
        return str(row["test"])
    auc, logloss = words.values()
    text = f"AUC {auc}, logloss {logloss}"
    if auc == logloss:
        text = auc if auc == NOT_DIFFERENT else f"{auc} in AUC and logloss"
    if row["seeds"] > 1 and NOT_DIFFERENT not in text:
        return text
    return f"{text} {seeds_text(row['seeds'])}"


def comparison_table(compared: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`comparisons` as cells of text."""
    table = compared[["model", "against"]].map(model_title)
    table["common seeds"] = compared["seeds"].astype(str)
    for figure in FIGURES:
        name = metric_title(figure)
        columns = [compared[f"{figure}_{part}"] for part in ("difference", "low", "high")]
        table[f"{name} difference"] = [
            NONE if np.isnan(mean) else f"{mean:+.5f}" + _interval(low, high)
            for mean, low, high in zip(*columns, strict=True)
        ]
        table[f"{name} p"] = [p_text(p) for p in compared[f"{figure}_p"]]
    table["in words"] = compared.apply(outcome_text, axis=1)
    return table.loc[:, (table != NONE).any()]


def p_text(p: float) -> str:
    """Return a p-value of three decimals, as "< .001" below them."""
    if np.isnan(p):
        return NONE
    return "< .001" if p < 0.001 else f"{p:.3f}"


def _interval(low: float, high: float) -> str:
    return "" if np.isnan(low) else f" [{low:+.5f}, {high:+.5f}]"


def comparison_note(section: Section, compared: pd.DataFrame) -> str:
    """Return the note below the table: how the comparisons are made."""
    tests, others = set(compared["test"]), set(compared["against"])
    best, best_title = reference(section), model_title(reference(section))
    baseline = f", and to {model_title(BASELINE)}" if BASELINE in others - {best} else ""
    family = "all pairs of models, for the best was chosen among them"
    if baseline:
        family = f"the models; against {best_title}, for that of {family}"
    text = [
        f"Differences of test figures to {best_title}, the best on the validation rows{baseline}, "
        f"each model in its chosen setting, with intervals of {LEVEL:.0%}; p is corrected by "
        f"Holm's steps for the number of {family}."
    ]
    if SEEDS_AND_ROWS in tests:
        text.append(
            "Several seeds: intervals and tests hold the noise of training and that of the test "
            "rows (DeLong's for the AUC); the standard errors of both stand in differences.csv."
        )
    if ROWS_ALONE in tests:
        text.append(
            "One seed: the noise of the test rows alone. Training noise is not included, so "
            "another seed may turn the difference round."
        )
    return " ".join(text)
