"""Tests of the paper's claims with the runs of a section.

A claim is a set of comparisons that all have to go one way. It is *reproduced* if each of them
does by its own test (an intersection-union test, which needs no correction), *so far reproduced* if
there are no runs for some of them, *not reproduced* if one goes the other way by a test corrected
for their number (Holm), and else *undecided*. There is *no verdict* where nothing can be tested: at
one seed the noise of training is not known.
Comparisons are paired over the seeds that both sides have and hold the noise of the test rows too;
settings are chosen on the validation rows. A claim on an option counts the models of its figure.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ctrbench.report.figures.sweeps import Sweep, sweeps
from ctrbench.report.group import (
    ENVIRONMENT,
    FIGURES,
    Section,
    as_text,
    best_by_validation,
    epoch_seconds,
)
from ctrbench.report.judged.comparisons import BETTER, SIGNIFICANT
from ctrbench.report.judged.paired import PairedTests, common_seeds
from ctrbench.report.judged.statistics import Difference, holm, paired_t
from ctrbench.report.names import list_titles, model_title
from ctrbench.report.published.printed import claims, published
from ctrbench.report.step_times import measured_on, same_environment, seconds_of_rounds
from ctrbench.report.tuning import chosen_trials

REPRODUCED, SO_FAR = "reproduced", "so far reproduced"
NOT_REPRODUCED, UNDECIDED = "not reproduced", "undecided"
NO_VERDICT = "no verdict"
SECONDS, STEP = "seconds", "step"


@dataclass(frozen=True)
class Evidence:
    """One comparison of a claim.

    Attributes:
        model: the one that the paper has ahead, and ``other`` the other: of one sweep the same.
        values: of the two settings of a sweep; empty between models.
        figure: ``auc``, ``logloss``, ``seconds`` (of an epoch of the runs) or ``step`` (measured in
            turn).
        seeds: that both have; of steps, rounds.
        difference: of ``model`` to ``other``; of times that of their logarithms.
        slack: what is taken from the difference before it is tested.
        measured_on: of steps, what they were measured on.
    """

    model: str
    other: str
    values: tuple[str, ...]
    figure: str
    seeds: int
    difference: Difference
    slack: float = 0.0
    measured_on: str = ""

    @property
    def p(self) -> float:
        """NaN at one seed (or round), whose noise of training is not known."""
        return self.difference.p if self.seeds > 1 else np.nan

    @property
    def gain(self) -> float:
        """The difference with the sign that the claim gives it: positive if the claim is right."""
        return (self.difference.mean - self.slack) * BETTER.get(self.figure, -1)

    @property
    def confidence(self) -> float:
        """From -1, surely against the claim, to 1, surely for it."""
        return float(np.sign(self.gain) * (1 - self.p)) if self.p == self.p else 0.0


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
    def decisive(self) -> Evidence:
        """The comparison that decides the verdict: the one least in favour of the claim."""
        return min(self.evidence, key=lambda item: item.confidence)


def verdicts(
    section: Section, steps: dict[str, Any] | None = None, tests: PairedTests | None = None
) -> list[Verdict]:
    """Judge the claims that the section has runs for.

    Args:
        tests: the comparisons of the section, where some are made already.
        steps: training steps measured in turn, which then decide the claims about time, if they
            were measured on the section's device and in its precision.
    """
    if steps is not None and not same_environment(steps, section.environment):
        steps = None
    tests = tests or PairedTests(section)
    judged, sweeps_by_key = [], sweeps(section)
    for claim in claims("deepfm"):
        if "key" in claim:
            evidence, possible = _sweep_evidence(tests, claim, sweeps_by_key.get(claim["key"], []))
        else:
            evidence, possible = _model_evidence(section, claim, steps, tests)
        if evidence:
            models = {name for item in evidence for name in (item.model, item.other)}
            tuning = _tuning_text(section, models) if "better" in claim else ""
            judged.append(Verdict(claim, judge(evidence, possible), evidence, possible, tuning))
    return judged


def judge(evidence: list[Evidence], possible: int) -> str:
    """Return the verdict of a claim's comparisons.

    Args:
        possible: the number of comparisons that the paper has.
    """
    claimed, against = sides(evidence)
    if np.isnan([item.p for item in evidence]).all():
        return NO_VERDICT
    if against.any():
        return NOT_REPRODUCED
    if not claimed.all():
        return UNDECIDED
    return REPRODUCED if len(evidence) == possible else SO_FAR


def sides(evidence: list[Evidence]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each comparison whether it goes as claimed, by its own test, and whether it goes
    the other way, by a test corrected for their number."""
    p = np.array([item.p for item in evidence])
    gains = np.array([item.gain for item in evidence])
    return (p < SIGNIFICANT) & (gains > 0), (holm(p) < SIGNIFICANT) & (gains < 0)


Counted = tuple[list[Evidence], int]


def _sweep_evidence(
    tests: PairedTests, claim: dict[str, Any], model_sweeps: list[Sweep]
) -> Counted:
    """Return the comparisons that have runs, and the number of comparisons that the paper has."""
    figure = published("deepfm_figures")
    in_figure = set(figure.loc[figure["key"] == claim["key"], "model"])
    models = set(claim.get("models", in_figure)) & in_figure
    evidence = [
        item
        for sweep in model_sweeps
        if sweep.model in models
        for item in _compare_settings(tests, claim, sweep)
    ]
    return evidence, len(FIGURES) * len(models)


def _model_evidence(
    section: Section, claim: dict[str, Any], steps: dict[str, Any] | None, tests: PairedTests
) -> Counted:
    """Return the same for a claim that compares models, each in its chosen setting."""
    chosen = section.groups[section.groups["chosen"]].set_index("model")
    pairs = [(a, b) for a in claim.get("better") or claim["faster"] for b in claim["than"]]
    pairs_with_runs = [(a, b) for a, b in pairs if {a, b} <= set(chosen.index)]
    if "faster" in claim:
        slack = float(np.log(claim["slack"]))
        timed = [
            _compare_epochs(section, chosen.loc[[a, b]], slack)
            if steps is None
            else _compare_steps(steps, a, b, slack)
            for a, b in pairs_with_runs
        ]
        return [item for item in timed if item is not None], len(pairs)
    groups = chosen["group"]
    evidence = [
        item
        for a, b in pairs_with_runs
        for item in _compare_groups(tests, (a, b), (groups[a], groups[b]))
    ]
    return evidence, len(FIGURES) * len(pairs)


def _compare_groups(
    tests: PairedTests,
    models: tuple[str, str],
    groups: tuple[str, str],
    values: tuple[str, ...] = (),
) -> list[Evidence]:
    """Compare AUC and logloss of two groups over the seeds that both have."""
    compared = tests.compare(*groups)
    return [
        Evidence(*models, values, figure, compared.seeds, difference)
        for figure, difference in zip(FIGURES, compared.differences, strict=True)
    ]


def _compare_settings(tests: PairedTests, claim: dict[str, Any], sweep: Sweep) -> list[Evidence]:
    """Compare a model's best setting of those that the claim has ahead with its best other one."""
    best = []
    for side in ("best", "over"):
        rows = sweep.rows[[_is_among(value, claim[side]) for value in sweep.rows[sweep.key]]]
        if rows.empty:
            return []
        best.append(rows.loc[best_by_validation(rows)])
    values = (as_text(best[0][sweep.key]), as_text(best[1][sweep.key]))
    groups = (str(best[0]["group"]), str(best[1]["group"]))
    return _compare_groups(tests, (sweep.model, sweep.model), groups, values)


def _is_among(value: Any, values: list[Any]) -> bool:
    """Return whether an option's value is in a list; numbers are compared by value."""
    return as_text(value) in map(as_text, values) or any(
        isinstance(other, int | float)
        and isinstance(value, int | float)
        and np.isclose(other, value)
        for other in values
    )


def _compare_epochs(section: Section, pair: pd.DataFrame, slack: float) -> Evidence | None:
    """Compare seconds an epoch in the section's environment; None if batch sizes differ."""
    if pair["trainer.batch_size"].nunique() > 1:
        return None
    runs = section.runs
    is_here = (runs[ENVIRONMENT] == pd.Series(section.environment)).all(axis=1)
    runs_timed = [runs[is_here & (runs["group"] == group)] for group in pair["group"]]
    log_seconds, other_log_seconds = (
        _log_seconds(timed_runs) for timed_runs in common_seeds(*runs_timed)
    )
    names = list(pair.index)
    return _compare_seconds(names[0], names[1], SECONDS, log_seconds, other_log_seconds, slack)


def _compare_steps(steps: dict[str, Any], model: str, other: str, slack: float) -> Evidence | None:
    """Compare steps of the same rounds, pre-training included; None where one is lacking."""
    seconds = [seconds_of_rounds(steps, name) for name in (model, other)]
    if seconds[0] is None or seconds[1] is None:
        return None
    timed = _compare_seconds(model, other, STEP, np.log(seconds[0]), np.log(seconds[1]), slack)
    return replace(timed, measured_on=measured_on(steps))


def _compare_seconds(
    model: str, other: str, figure: str, log_seconds: Any, other_log_seconds: Any, slack: float
) -> Evidence:
    """Compare logarithms of seconds in pairs; a model slower by at most the slack is as fast."""
    difference = Difference(np.nan, np.nan, np.nan, np.nan)
    if len(log_seconds) > 1:
        tested = paired_t(log_seconds - slack, other_log_seconds)
        ends = (tested.mean + slack, tested.low + slack, tested.high + slack)
        difference = Difference(*ends, tested.p)
    return Evidence(model, other, (), figure, len(log_seconds), difference, slack)


def _log_seconds(runs: pd.DataFrame) -> pd.Series:
    seconds: pd.Series = np.log(epoch_seconds(runs))
    return seconds


def _tuning_text(section: Section, models: set[str]) -> str:
    """Return as text whether the models were tuned by equally many trials."""
    trials = {name: count for name, count in chosen_trials(section).items() if name in models}
    if all(pd.isna(count) for count in trials.values()):
        return "trials of tuning unknown"
    if any(pd.isna(count) for count in trials.values()):
        lacking = [model for model, count in trials.items() if pd.isna(count)]
        return f"trials of tuning unknown of {list_titles(lacking)}"
    if len(set(trials.values())) > 1:
        counts = ", ".join(f"{model_title(model)} {count:g}" for model, count in trials.items())
        return f"trials of tuning unequal: {counts}"
    return f"{next(iter(trials.values())):g} trials of tuning each"
