"""The paper's claims, held against the runs of a section.

A claim is a set of comparisons that all have to go one way. It is *reproduced* if each of them
does by its own test (an intersection-union test, which needs no correction), *so far reproduced* if
there are no runs for some of them, *not reproduced* if one goes the other way by a test corrected
for their number (Holm), and else *undecided*.
Comparisons are paired over the seeds that both sides have, or by the test rows where that is one
alone; settings are chosen on the validation rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ctrbench.report.figures.ablations import Sweep, sweeps
from ctrbench.report.group import (
    ENVIRONMENT,
    FIGURES,
    Section,
    as_text,
    best_by_validation,
    epoch_seconds,
)
from ctrbench.report.judged.comparisons import BETTER, SIGNIFICANT, UNKNOWN, tested
from ctrbench.report.judged.statistics import Difference, holm, paired_t
from ctrbench.report.published.printed import claims
from ctrbench.report.step_times import measured_on, same_environment, seconds_of_rounds

REPRODUCED, SO_FAR = "reproduced", "so far reproduced"
NOT_REPRODUCED, UNDECIDED = "not reproduced", "undecided"
SECONDS, STEP = "seconds", "step"
DEEP = 7  # models in the paper's figures 7 to 10
TRIALS = "tuned.trials"


@dataclass(frozen=True)
class Evidence:
    """One comparison of a claim.

    Attributes:
        ours: the model that the paper has ahead, and ``theirs`` the other: of one sweep the same.
        values: of the two settings of a sweep; empty between models.
        figure: ``auc``, ``logloss``, ``seconds`` (of an epoch of the runs) or ``step`` (measured in
            turn).
        seeds: that both have; of steps, rounds.
        difference: of ``ours`` to ``theirs``; of times that of their logarithms.
        slack: what is taken from the difference before it is tested.
        measured_on: of steps, what they were measured on.
    """

    ours: str
    theirs: str
    values: tuple[str, ...]
    figure: str
    seeds: int
    difference: Difference
    slack: float = 0.0
    measured_on: str = ""

    @property
    def gain(self) -> float:
        """The difference with the sign that the claim gives it: positive if the claim is right."""
        return (self.difference.mean - self.slack) * BETTER.get(self.figure, -1)

    @property
    def confidence(self) -> float:
        """From -1, surely against the claim, to 1, surely for it."""
        p = self.difference.p
        return float(np.sign(self.gain) * (1 - p)) if p == p else 0.0


@dataclass(frozen=True)
class Verdict:
    """A claim, and what the runs say of it.

    Attributes:
        claim: as ``published/deepfm_claims.yaml`` has it.
        possible: the comparisons of the paper, of which ``evidence`` has those with runs.
        tuning: whether the models were tuned by equal trials; empty where one model is compared
            with itself, and of times.
    """

    claim: dict[str, Any]
    verdict: str
    evidence: list[Evidence]
    possible: int
    tuning: str

    @property
    def decides(self) -> Evidence:
        """The comparison that the verdict hangs on: that which is least for the claim."""
        return min(self.evidence, key=lambda one: one.confidence)


def verdicts(section: Section, steps: dict[str, Any] | None = None) -> list[Verdict]:
    """Of the claims that the section has runs for.

    Args:
        steps: training steps measured in turn, which then decide the claims about time, if they
            were measured on the section's device and in its precision.
    """
    if steps is not None and not same_environment(steps, section.environment):
        steps = None
    found, swept = [], sweeps(section)
    for claim in claims("deepfm"):
        if "key" in claim:
            evidence, possible = _of_sweeps(section, claim, swept.get(claim["key"], []))
        else:
            evidence, possible = _of_models(section, claim, steps)
        if evidence:
            models = {name for one in evidence for name in (one.ours, one.theirs)}
            tuning = _tuning(section, models) if "better" in claim else ""
            found.append(Verdict(claim, judge(evidence, possible), evidence, possible, tuning))
    return found


def judge(evidence: list[Evidence], possible: int) -> str:
    """The verdict of a claim's comparisons, of so many that it has."""
    claimed, against = sides(evidence)
    if against.any():
        return NOT_REPRODUCED
    if not claimed.all():
        return UNDECIDED
    return REPRODUCED if len(evidence) == possible else SO_FAR


def sides(evidence: list[Evidence]) -> tuple[np.ndarray, np.ndarray]:
    """Of each comparison whether it goes as claimed, by its own test, and whether it goes the other
    way, by a test corrected for their number."""
    p = np.array([one.difference.p for one in evidence])
    gains = np.array([one.gain for one in evidence])
    return (p < SIGNIFICANT) & (gains > 0), (holm(p) < SIGNIFICANT) & (gains < 0)


Counted = tuple[list[Evidence], int]


def _of_sweeps(section: Section, claim: dict[str, Any], swept: list[Sweep]) -> Counted:
    """The comparisons that there are runs for, and the number of those that the paper has."""
    wanted = claim.get("models")
    found = [
        one
        for sweep in swept
        if wanted is None or sweep.model in wanted
        for one in _of_sweep(section, claim, sweep)
    ]
    return found, max(len(found), len(FIGURES) * (DEEP if wanted is None else len(wanted)))


def _of_models(section: Section, claim: dict[str, Any], steps: dict[str, Any] | None) -> Counted:
    """The same of a claim that compares models, each in its chosen setting."""
    chosen = section.groups[section.groups["chosen"]].set_index("model")
    pairs = [(a, b) for a in claim.get("better") or claim["faster"] for b in claim["than"]]
    there = [(a, b) for a, b in pairs if {a, b} <= set(chosen.index)]
    if "faster" in claim:
        slack = float(np.log(claim["slack"]))
        timed = [
            _in_time(section, chosen.loc[[a, b]], slack)
            if steps is None
            else _by_steps(steps, a, b, slack)
            for a, b in there
        ]
        return [one for one in timed if one is not None], len(pairs)
    groups = chosen["group"]
    found = [one for a, b in there for one in _compared(section, (a, b), (groups[a], groups[b]))]
    return found, len(FIGURES) * len(pairs)


def _compared(
    section: Section, models: tuple[str, str], groups: tuple[str, str], values: tuple[str, ...] = ()
) -> list[Evidence]:
    """AUC and logloss of two groups over the seeds that both have."""
    ours, theirs = _common(section.runs, *groups)
    _, differences = tested(ours, theirs)
    return [
        Evidence(*models, values, figure, len(ours), difference)
        for figure, difference in zip(FIGURES, differences, strict=True)
    ]


def _common(runs: pd.DataFrame, one: str, other: str) -> list[pd.DataFrame]:
    """The runs of two groups of the same seeds, in the same order."""
    both = [runs[runs["group"] == group].set_index("seed").sort_index() for group in (one, other)]
    seeds = both[0].index.intersection(both[1].index)
    return [found.loc[seeds] for found in both]


def _of_sweep(section: Section, claim: dict[str, Any], sweep: Sweep) -> list[Evidence]:
    """A model's best setting of those that the claim has ahead, and its best of the others."""
    best = []
    for side in ("best", "over"):
        rows = sweep.rows[[_is_one_of(value, claim[side]) for value in sweep.rows[sweep.key]]]
        if rows.empty:
            return []
        best.append(rows.loc[best_by_validation(rows)])
    values = (as_text(best[0][sweep.key]), as_text(best[1][sweep.key]))
    groups = (str(best[0]["group"]), str(best[1]["group"]))
    return _compared(section, (sweep.model, sweep.model), groups, values)


def _is_one_of(value: Any, values: list[Any]) -> bool:
    """Whether an option's value is in a list: numbers by their value."""
    return as_text(value) in map(as_text, values) or any(
        isinstance(one, int | float) and isinstance(value, int | float) and np.isclose(one, value)
        for one in values
    )


def _in_time(section: Section, pair: pd.DataFrame, slack: float) -> Evidence | None:
    """Seconds of training an epoch, in the section's environment; None of other batch sizes."""
    if pair["trainer.batch_size"].nunique() > 1:
        return None
    runs = section.runs
    here = (runs[ENVIRONMENT] == pd.Series(section.environment)).all(axis=1)
    ours, theirs = (_log_seconds(own) for own in _common(runs[here], *pair["group"]))
    names = list(pair.index)
    return _timed(names[0], names[1], SECONDS, ours, theirs, slack)


def _by_steps(steps: dict[str, Any], ours: str, theirs: str, slack: float) -> Evidence | None:
    """Steps of the same rounds, what a model starts from included; None where one is lacking."""
    taken = [seconds_of_rounds(steps, name) for name in (ours, theirs)]
    if taken[0] is None or taken[1] is None:
        return None
    timed = _timed(ours, theirs, STEP, np.log(taken[0]), np.log(taken[1]), slack)
    return replace(timed, measured_on=measured_on(steps))


def _timed(ours: str, theirs: str, figure: str, these: Any, those: Any, slack: float) -> Evidence:
    """Of logarithms of seconds, in pairs; what is at most the slack slower is as fast."""
    found = UNKNOWN
    if len(these) > 1:
        moved = paired_t(these - slack, those)
        ends = (moved.mean + slack, moved.low + slack, moved.high + slack)
        found = Difference(*ends, moved.p)
    return Evidence(ours, theirs, (), figure, len(these), found, slack)


def _log_seconds(runs: pd.DataFrame) -> pd.Series:
    seconds: pd.Series = np.log(epoch_seconds(runs))
    return seconds


def _tuning(section: Section, models: set[str]) -> str:
    """Whether the trials of some models' tuning are known and equal."""
    chosen = section.groups[section.groups["chosen"] & section.groups["model"].isin(models)]
    if TRIALS not in section.runs:
        return "trials of tuning unknown"
    first = section.runs.drop_duplicates("group").set_index("group")[TRIALS]
    trials = dict(zip(chosen["model"], chosen["group"].map(first), strict=True))
    if any(pd.isna(count) for count in trials.values()):
        lacking = [model for model, count in trials.items() if pd.isna(count)]
        return f"trials of tuning unknown of {', '.join(lacking)}"
    if len(set(trials.values())) > 1:
        said = ", ".join(f"{model} {count:g}" for model, count in trials.items())
        return f"trials of tuning unequal: {said}"
    return f"{next(iter(trials.values())):g} trials of tuning each"
