"""Verdicts on the paper's claims as a person reads them, and as numbers."""

import math
from pathlib import Path

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.markdown import Rows
from ctrbench.report.figures.sweeps import KEEP
from ctrbench.report.group import Section
from ctrbench.report.judged.claims import NO_VERDICT, SECONDS, STEP, Evidence, Verdict, sides
from ctrbench.report.judged.comparisons import BETTER, SIGNIFICANT, seeds_text
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.names import metric_title, model_title
from ctrbench.report.published.printed import published, table2
from ctrbench.runs.record import RunDirectory

TIMES = {SECONDS: "seconds an epoch", STEP: "step"}
SETS = {"criteo": "Criteo", "company": "Company*"}
VERSION = "IJCAI"
SMALL = "small"  # the budget whose runs are too short for a verdict


def verdict_rows(judged: list[Verdict]) -> Rows:
    """Return a row for each claim: the verdict, the decisive comparison and the paper's figure."""
    return [
        {
            "verdict": verdict.verdict,
            "claim": str(verdict.claim["says"]),
            "in the paper": str(verdict.claim["where"]),
            "decided by": evidence_text(verdict.decisive, str(verdict.claim.get("key", ""))),
            "the paper's": paper_difference(verdict.decisive) or "-",
            "compared": _count_outcomes(verdict),
        }
        for verdict in judged
    ]


def _count_outcomes(verdict: Verdict) -> str:
    """Return as text how the comparisons went, and how many of the paper's have no runs."""
    claimed, against = (int(side.sum()) for side in sides(verdict.evidence))
    tested = sum(not math.isnan(evidence.p) for evidence in verdict.evidence)
    counts = {
        "as claimed": claimed,
        "the other way": against,
        "not significantly different": tested - claimed - against,
        "untested": len(verdict.evidence) - tested,
    }
    parts_text = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    lacking = verdict.possible - len(verdict.evidence)
    parts = [parts_text, f"{lacking} without runs" if lacking else "", verdict.tuning]
    return "; ".join(part for part in parts if part)


def evidence_text(evidence: Evidence, key: str = "") -> str:
    """Return as text what was compared, the difference with its interval, and the seeds.

    Args:
        key: the option of a sweep.
    """
    first, second = model_title(evidence.model), model_title(evidence.other)
    if evidence.values:
        values = [f"keep {1 - float(v):g}" if key == KEEP else v for v in evidence.values]
        first, second = f"{first} {values[0]}", values[1]
    text = f"{first} to {second}: {_difference(evidence)}"
    if evidence.figure == STEP:
        return f"{text}, {evidence.seeds} rounds ({evidence.measured_on})"
    return f"{text}, {seeds_text(evidence.seeds)}" if evidence.seeds else text


def _difference(evidence: Evidence) -> str:
    difference = evidence.difference
    if evidence.figure in TIMES:
        if math.isnan(difference.mean):
            return "times of one seed are not tested"
        mean, low, high = (
            math.exp(value) for value in (difference.mean, difference.low, difference.high)
        )
        interval = "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]"
        return f"{mean:.2f} times the {TIMES[evidence.figure]}{interval}"
    interval = (
        "" if math.isnan(difference.low) else f" [{difference.low:+.5f}, {difference.high:+.5f}]"
    )
    change = "no common seed" if math.isnan(difference.mean) else f"{difference.mean:+.5f}"
    return f"{metric_title(evidence.figure)} {change}{interval}"


def paper_difference(evidence: Evidence) -> str:
    """Return the paper's own difference between the two; empty where it has none."""
    if evidence.figure in TIMES:
        return _paper_time_ratio(evidence)
    if evidence.values:
        rows = published("deepfm_figures")
        rows = rows[rows["model"] == evidence.model].drop_duplicates("value").set_index("value")
        if not set(evidence.values) <= set(rows.index):
            return ""
        first, second = (float(rows.loc[value, evidence.figure]) for value in evidence.values)
        return f"Company* {first - second:+.5f}"
    differences = []
    for data, name in SETS.items():
        table = table2(data)[VERSION]
        if {evidence.model, evidence.other} <= set(table.index):
            difference = (
                table.loc[evidence.model, evidence.figure]
                - table.loc[evidence.other, evidence.figure]
            )
            differences.append(f"{name} {difference:+.5f}")
    return ", ".join(differences)


def _paper_time_ratio(evidence: Evidence) -> str:
    rows = published("deepfm_figure6").set_index(["model", "device"])
    seconds = rows.fillna(0).sum(axis=1, numeric_only=True).unstack()
    if not {evidence.model, evidence.other} <= set(seconds.index):
        return ""
    ratios = seconds.loc[evidence.model] / seconds.loc[evidence.other]
    return ", ".join(f"{ratio:.2f} times on {device}" for device, ratio in ratios.items())


def verdict_numbers(judged: list[Verdict], title: str) -> pd.DataFrame:
    """Return a row for each comparison of each claim."""
    rows = []
    for verdict in judged:
        for evidence in verdict.evidence:
            value = dict(zip(("value", "other_value"), evidence.values, strict=False))
            rows.append(
                {
                    "data": title,
                    "claim": verdict.claim["says"],
                    "verdict": verdict.verdict,
                    "model": evidence.model,
                    "other": evidence.other,
                    **({"value": "", "other_value": ""} | value),
                    "figure": f"log_{evidence.figure}"
                    if evidence.figure in TIMES
                    else evidence.figure,
                    "seeds": evidence.seeds,
                    "difference": evidence.difference.mean,
                    "low": evidence.difference.low,
                    "high": evidence.difference.high,
                    "slack": evidence.slack,
                    "seeds_error": evidence.difference.seeds,
                    "rows_error": evidence.difference.rows,
                    "p": evidence.p,
                    "claimed_sign": BETTER.get(evidence.figure, -1),
                }
            )
    return pd.DataFrame(rows)


def verdict_summary(judged: list[Verdict]) -> str:
    """Return as text how many of the claims are reproduced."""
    counts = pd.Series([verdict.verdict for verdict in judged]).value_counts()
    counts_text = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"The paper's claims that there are runs for: {counts_text}."


def why_no_verdicts(section: Section, judged: list[Verdict]) -> str:
    """Return why the verdicts on the paper's claims are not given; empty where they are."""
    begins = "Verdicts on the paper's claims are not given: "
    if SMALL in _budgets(section):
        return (
            f"{begins}these runs have budget={SMALL}, with fewer epochs and smaller networks than "
            "the claims are about."
        )
    if all(verdict.verdict == NO_VERDICT for verdict in judged):
        return f"{begins}at one seed the noise of training is not known."
    return ""


def _budgets(section: Section) -> set[str]:
    """Return the budgets of the chosen settings' first runs."""
    chosen = section.groups.loc[section.groups["chosen"], "group"]
    runs = section.runs[section.runs["group"].isin(chosen)].drop_duplicates("group")
    budgets = set()
    for path in runs["path"]:
        try:
            budget = RunDirectory(Path(path)).settings().get("budget")
        except (UserError, OSError):
            continue
        budgets.add(str(budget.get("name")) if isinstance(budget, dict) else "")
    return budgets


def verdict_rule() -> str:
    """Return the rule of the verdicts."""
    return (
        f"Reproduced: all comparisons go as claimed, each at {LEVEL:.0%}; so far reproduced: those "
        "that there are runs for. Not reproduced: one of "
        f"them goes the other way (p < {SIGNIFICANT:.2f} after Holm's correction). Else undecided; "
        "no verdict at one seed, where training noise is not included. "
        "Tests are paired over the seeds that both sides have and hold the noise of the test rows "
        "too, or over the rounds in which steps were measured in turn; of a sweep, a model's best "
        "setting on the validation rows on each side, of the models of the paper's figure. These "
        "are verdicts on the data and the machine named here, which are not the paper's unless "
        "that is said."
    )
