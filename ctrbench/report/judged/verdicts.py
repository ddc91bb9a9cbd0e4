"""Verdicts on the paper's claims as a person reads them, and as numbers."""

import math

import pandas as pd

from ctrbench.report.figures.ablations import KEEP
from ctrbench.report.judged.claims import SECONDS, STEP, Evidence, Verdict, sides
from ctrbench.report.judged.comparisons import BETTER, SIGNIFICANT
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.markdown import Rows
from ctrbench.report.published.printed import published, table2

HEADS = {"auc": "AUC", "logloss": "logloss"}
TIMES = {SECONDS: "seconds an epoch", STEP: "step"}
SETS = {"criteo": "Criteo", "company": "Company*"}
VERSION = "IJCAI"


def reading(found: list[Verdict]) -> Rows:
    """A row a claim: the verdict, the comparison that decides, and what the paper printed of it."""
    return [
        {
            "verdict": one.verdict,
            "claim": str(one.claim["says"]),
            "in the paper": str(one.claim["where"]),
            "decided by": in_words(one.decides, str(one.claim.get("key", ""))),
            "the paper's": printed(one.decides) or "-",
            "compared": _counted(one),
        }
        for one in found
    ]


def _counted(verdict: Verdict) -> str:
    """How the comparisons went, and how many of the paper's there are."""
    claimed, against = (int(side.sum()) for side in sides(verdict.evidence))
    counts = {
        "as claimed": claimed,
        "the other way": against,
        "not told apart": len(verdict.evidence) - claimed - against,
    }
    said = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    lacking = verdict.possible - len(verdict.evidence)
    parts = [said, f"{lacking} without runs" if lacking else "", verdict.tuning]
    return "; ".join(part for part in parts if part)


def in_words(one: Evidence, key: str = "") -> str:
    """The two that were compared, their difference with its interval, and over how many seeds.

    Args:
        key: the option of a sweep.
    """
    ours, theirs = one.ours, one.theirs
    if one.values:
        said = [f"keep {1 - float(v):g}" if key == KEEP else v for v in one.values]
        ours, theirs = f"{one.ours} {said[0]}", said[1]
    said_of = f"{ours} to {theirs}: {_difference(one)}"
    if one.figure == STEP:
        return f"{said_of}, {one.seeds} rounds ({one.measured_on})"
    return f"{said_of}, {one.seeds} seeds" if one.seeds > 1 else f"{said_of}, one seed"


def _difference(one: Evidence) -> str:
    found = one.difference
    if one.figure in TIMES:
        if math.isnan(found.mean):
            return "times of one seed are not tested"
        mean, low, high = (math.exp(value) for value in (found.mean, found.low, found.high))
        return f"{mean:.2f} times the {TIMES[one.figure]} [{low:.2f}, {high:.2f}]"
    interval = "" if math.isnan(found.low) else f" [{found.low:+.5f}, {found.high:+.5f}]"
    moved = "no common seed" if math.isnan(found.mean) else f"{found.mean:+.5f}"
    return f"{HEADS[one.figure]} {moved}{interval}"


def printed(one: Evidence) -> str:
    """The paper's own difference between the two; empty where it has none."""
    if one.figure in TIMES:
        return _printed_time(one)
    if one.values:
        rows = published("deepfm_figures")
        rows = rows[rows["model"] == one.ours].drop_duplicates("value").set_index("value")
        if not set(one.values) <= set(rows.index):
            return ""
        ours, theirs = (float(rows.loc[value, one.figure]) for value in one.values)
        return f"Company* {ours - theirs:+.5f}"
    said = []
    for data, name in SETS.items():
        table = table2(data)[VERSION]
        if {one.ours, one.theirs} <= set(table.index):
            difference = table.loc[one.ours, one.figure] - table.loc[one.theirs, one.figure]
            said.append(f"{name} {difference:+.5f}")
    return ", ".join(said)


def _printed_time(one: Evidence) -> str:
    rows = published("deepfm_figure6").set_index(["model", "device"])
    seconds = rows.fillna(0).sum(axis=1, numeric_only=True).unstack()
    if not {one.ours, one.theirs} <= set(seconds.index):
        return ""
    ratios = seconds.loc[one.ours] / seconds.loc[one.theirs]
    return ", ".join(f"{ratio:.2f} times on {device}" for device, ratio in ratios.items())


def numbers(found: list[Verdict], title: str) -> pd.DataFrame:
    """A row for each comparison of each claim."""
    rows = []
    for verdict in found:
        for one in verdict.evidence:
            value = dict(zip(("value", "other_value"), one.values, strict=False))
            rows.append(
                {
                    "data": title,
                    "claim": verdict.claim["says"],
                    "verdict": verdict.verdict,
                    "model": one.ours,
                    "other": one.theirs,
                    **({"value": "", "other_value": ""} | value),
                    "figure": f"log_{one.figure}" if one.figure in TIMES else one.figure,
                    "seeds": one.seeds,
                    "difference": one.difference.mean,
                    "low": one.difference.low,
                    "high": one.difference.high,
                    "slack": one.slack,
                    "p": one.difference.p,
                    "claimed_sign": BETTER.get(one.figure, -1),
                }
            )
    return pd.DataFrame(rows)


def summary(found: list[Verdict]) -> str:
    """How many of the claims are reproduced."""
    counts = pd.Series([one.verdict for one in found]).value_counts()
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return f"Of the paper's claims that could be tested here: {said}."


def note() -> str:
    """By what rule."""
    return (
        f"Reproduced: all comparisons go as claimed, each at {LEVEL:.0%}; so far reproduced: those "
        "that there are runs for. Not reproduced: one of "
        f"them goes the other way (p < {SIGNIFICANT:.2f} after Holm's correction). Else undecided. "
        "Tests are paired over the seeds that both sides have, or over the test rows where that is "
        "one, or over the rounds in which steps were measured in turn; of a sweep, a model's best "
        "setting on the validation rows on each side. These are verdicts on the data and the "
        "machine named here, which are not the paper's unless that is said."
    )
