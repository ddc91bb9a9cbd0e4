"""How many seeds tell a difference: the power of the report's own test.

A difference over n seeds has the variance s²/n + v: s² of the difference of one seed, v of the test
rows, which more seeds do not reduce. The test (:mod:`ctrbench.report.judged.statistics`) estimates
s² by S², which is distributed as s² χ²(n - 1) / (n - 1). It rejects where the mean difference
exceeds q(S) √(S²/n + v), with the quantile q of Cochran & Cox. The power is the mean of that
probability over S; without noise of the rows it is that of the paired t-test (noncentral t).
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats
from scipy.optimize import brentq

from ctrbench.markdown import Rows
from ctrbench.report.group import FIGURES
from ctrbench.report.judged.statistics import LEVEL, quantile
from ctrbench.report.names import metric_title

POWER = 0.8
SEEDS = (3, 5, 10)
WANTED = 0.001  # the difference that the literature of click-through rates calls noticeable
MOST_SEEDS = 1_000
POINTS = 2_000  # of the distribution of S


@dataclass(frozen=True)
class Noise:
    """The noise of a difference between two models.

    Attributes:
        seeds: variance of the difference of one seed.
        rows: variance by the test rows, whatever the number of seeds.
    """

    seeds: float
    rows: float

    def power(self, difference: float, seeds: int) -> float:
        """Return the probability that a true difference is significant over so many seeds."""
        chances = (np.arange(POINTS) + 0.5) / POINTS
        estimated = self.seeds * stats.chi2.ppf(chances, seeds - 1) / (seeds - 1) / seeds
        total = estimated + self.rows
        bound = quantile((1 - LEVEL) / 2, estimated / total, seeds - 1) * np.sqrt(total)
        error = math.sqrt(self.seeds / seeds + self.rows)
        upper, lower = ((sign * difference - bound) / error for sign in (1, -1))
        return float((special.ndtr(upper) + special.ndtr(lower)).mean())

    def detectable(self, seeds: int) -> float:
        """Return the smallest difference that is significant with a probability of ``POWER``."""
        error = math.sqrt(self.seeds / seeds + self.rows)
        upper = 2 * error * float(quantile((1 - LEVEL) / 2, 1.0, seeds - 1) + 1)
        return float(brentq(lambda d: self.power(d, seeds) - POWER, 0, upper))

    def seeds_for(self, difference: float) -> int | None:
        """Return the fewest seeds that show a difference; None where ``MOST_SEEDS`` do not."""
        if self.power(difference, MOST_SEEDS) < POWER:
            return None
        few, many = 1, MOST_SEEDS
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (few, middle) if self.power(difference, middle) >= POWER else (middle, many)
        return many


def noise_of(compared: pd.DataFrame, figure: str) -> Noise | None:
    """Return the mean variances of a figure over all comparisons of several seeds; None without.

    Args:
        compared: of :func:`ctrbench.report.judged.comparisons.comparisons`.
    """
    rows = compared[compared["seeds"] > 1] if len(compared) else compared
    rows = rows[rows[f"{figure}_seeds"] > 0] if len(rows) else rows
    if rows.empty:
        return None
    seeds = (rows[f"{figure}_seeds"] ** 2 * rows["seeds"]).mean()
    return Noise(float(seeds), float((rows[f"{figure}_rows"] ** 2).mean()))


def planning_rows(compared: pd.DataFrame, wanted: float = WANTED) -> Rows:
    """Return a row for each metric: the smallest difference that 3, 5 and 10 seeds show, and the
    seeds for a wanted one; none where no comparison has several seeds."""
    table: Rows = []
    for figure in FIGURES:
        if (noise := noise_of(compared, figure)) is None:
            continue
        row = {"metric": metric_title(figure)}
        row |= {f"{seeds} seeds show": f"{noise.detectable(seeds):.5f}" for seeds in SEEDS}
        needed = noise.seeds_for(wanted)
        row[f"seeds for {wanted:g}"] = "more test rows" if needed is None else f"{needed:,}"
        table.append(row)
    return table


def planning_note(rows: Rows) -> str:
    """Return how the numbers of the table are meant."""
    text = (
        "The smallest true difference between two models that is significant (p < "
        f"{1 - LEVEL:.2f}, one comparison) with a probability of {POWER:.0%}, by the noise of the "
        "comparisons above: that of training is divided by the number of seeds, that of the test "
        "rows is not."
    )
    if any("more test rows" in row.values() for row in rows):
        text += f" More test rows: {MOST_SEEDS:,} seeds would not show it on these."
    return text
