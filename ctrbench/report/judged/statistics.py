"""Whether two models differ: over seeds, or with one seed over the test rows.

Every comparison is paired. Over common seeds it is Student's t-test of the differences. With one
seed it is the rows that vary: DeLong's test for the AUC (DeLong, DeLong & Clarke-Pearson 1988, by
the midranks of Sun & Xu 2014), and a bootstrap of the rows for the logloss; what another seed would
give, it cannot say.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL = 0.95
RESAMPLES = 2_000
BLOCKS = 20_000  # means of rows that a bootstrap draws from, so that its time does not grow
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A mean difference, its interval at ``LEVEL``, and the chance of one as large without any."""

    mean: float
    low: float
    high: float
    p: float


def paired_t(ours: Any, theirs: Any) -> Difference:
    """Of the same seeds, two at least.

    Args:
        ours: a figure for each seed.
        theirs: the other's, in the same order.
    """
    difference = np.asarray(ours, float) - np.asarray(theirs, float)
    if np.ptp(difference) == 0:  # no deviation, no t
        mean = float(difference[0])
        return Difference(mean, mean, mean, float(mean == 0))
    tested = stats.ttest_1samp(difference, 0)
    low, high = tested.confidence_interval(LEVEL)
    return Difference(*map(float, (difference.mean(), low, high, tested.pvalue)))


def delong(ours_N: Any, theirs_N: Any, labels_N: Any) -> Difference:
    """Of two models' AUCs on the same rows.

    Args:
        ours_N: scores of any monotone scale.
        labels_N: 0 or 1, both present.
    """
    labels_N = np.asarray(labels_N, bool)
    pairs = [_placements(np.asarray(scores), labels_N) for scores in (ours_N, theirs_N)]
    positive = pairs[0][0] - pairs[1][0]
    negative = pairs[0][1] - pairs[1][1]
    mean = float(positive.mean())
    variance = positive.var(ddof=1) / len(positive) + negative.var(ddof=1) / len(negative)
    deviation = float(np.sqrt(variance))
    if deviation == 0:
        return Difference(mean, mean, mean, float(mean == 0))
    low, high = stats.norm.interval(LEVEL, mean, deviation)
    return Difference(
        mean, float(low), float(high), float(2 * stats.norm.sf(abs(mean) / deviation))
    )


def _placements(scores_N: Array, labels_N: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """For each positive the share of negatives below it, for each negative that of positives above
    it; ties count one half. The mean of either is the AUC."""
    positives, negatives = scores_N[labels_N], scores_N[~labels_N]
    ranks = stats.rankdata(scores_N)
    above = (ranks[labels_N] - stats.rankdata(positives)) / len(negatives)
    below = 1 - (ranks[~labels_N] - stats.rankdata(negatives)) / len(positives)
    return above, below


def losses(logits_N: Any, labels_N: Any) -> Array:
    """The logloss of each row, from logits, so that no probability is clipped."""
    logits = np.asarray(logits_N, np.float64)
    found: Array = np.logaddexp(0, logits) - np.asarray(labels_N, np.float64) * logits
    return found


def bootstrap(values_N: Any, seed: int = 0) -> tuple[float, float]:
    """The percentile interval at ``LEVEL`` of the mean over rows, by resampling them.

    Of more than ``BLOCKS`` rows it resamples as many means of equal, random sets of rows: their
    mean varies as that of the rows.
    """
    rng = np.random.default_rng(seed)
    values_N = np.asarray(values_N, np.float64)
    size = -(-len(values_N) // BLOCKS)
    if size > 1:
        kept = rng.permutation(values_N)[: len(values_N) // size * size]
        values_N = kept.reshape(-1, size).mean(axis=1)
    drawn = stats.bootstrap(
        (values_N,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=50,
        confidence_level=LEVEL,
        method="percentile",
        rng=rng,
    )
    low, high = drawn.confidence_interval
    return float(low), float(high)


def paired_rows(ours_N: Any, theirs_N: Any, labels_N: Any) -> Difference:
    """Of two models' logloss on the same rows: the interval by a bootstrap, the p by a t-test.

    Args:
        ours_N: logits.
        labels_N: 0 or 1.
    """
    difference_N = losses(ours_N, labels_N) - losses(theirs_N, labels_N)
    mean = float(difference_N.mean())
    if np.ptp(difference_N) == 0:
        return Difference(mean, mean, mean, float(mean == 0))
    low, high = bootstrap(difference_N)
    return Difference(mean, low, high, float(stats.ttest_1samp(difference_N, 0).pvalue))


def holm(p_values: Any) -> Array:
    """P-values corrected for their number, by Holm's steps (1979); NaN stays and does not count."""
    p = np.asarray(p_values, float)
    corrected = np.full_like(p, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
