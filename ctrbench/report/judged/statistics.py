"""Test of a difference between two settings, with the noise of training and of the test rows.

A difference of two means over seeds varies for two reasons. Other seeds would train other models:
the variance of the difference over the seeds, divided by their number. Other test rows would score
them otherwise: the variance of the mean over rows, from DeLong's components of the AUC (DeLong,
DeLong & Clarke-Pearson 1988) or from the losses of the rows, averaged over the seeds. Rows that all
seeds are scored on do not average out, so the second part is not divided by the number of seeds.
This is the design of many readers and many cases of Obuchowski & Rockette (1995), a seed for a
reader and a test row for a case.

The seeds part has few degrees of freedom (seeds minus one), the rows part many. The quantile is the
mean of Student's and the normal one, weighted by the two parts (Cochran & Cox 1950).
Satterthwaite's degrees of freedom would claim too much: at 3 seeds they reject up to 8 % of true
null hypotheses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats
from scipy.optimize import brentq

LEVEL = 0.95
LEAST_LOG_P = -230.0  # 1e-100
Array = npt.NDArray[Any]
Components = tuple[Array, ...]  # of a mean: arrays of independent rows, a class each


@dataclass(frozen=True)
class Difference:
    """A mean difference, its interval at ``LEVEL`` and the p-value of no difference.

    Attributes:
        seeds: standard error from the seeds; NaN where there is one seed.
        rows: standard error from the test rows; NaN where they play no part.
    """

    mean: float
    low: float
    high: float
    p: float
    seeds: float = np.nan
    rows: float = np.nan


def paired_t(values: Any, other_values: Any) -> Difference:
    """Compare paired measurements by Student's t-test.

    Pairs that all differ by the same amount say nothing of how the difference varies: no p-value.
    """
    difference = np.asarray(values, float) - np.asarray(other_values, float)
    mean = float(difference.mean())
    if len(difference) < 2 or np.ptp(difference) == 0:
        return Difference(mean, np.nan, np.nan, np.nan)
    tested = stats.ttest_1samp(difference, 0)
    low, high = tested.confidence_interval(LEVEL)
    return Difference(mean, float(low), float(high), float(tested.pvalue))


def two_part_test(differences_S: Any, rows_variance: float) -> Difference:
    """Test the mean of a difference over seeds, the noise of the test rows included.

    Args:
        differences_S: of each seed; a single one has no part of the seeds.
        rows_variance: of the mean, from :func:`variance_over_rows`.
    """
    differences_S = np.asarray(differences_S, float)
    mean, count = float(differences_S.mean()), len(differences_S)
    seeds = float(differences_S.var(ddof=1)) / count if count > 1 else 0.0
    total = seeds + rows_variance
    parts = (np.sqrt(seeds) if count > 1 else np.nan, np.sqrt(rows_variance))
    if total == 0:  # of the same predictions, or of too few to see any noise
        bound, p = (mean, 1.0) if mean == 0 else (np.nan, np.nan)
        return Difference(mean, bound, bound, p, *parts)
    weight, error = seeds / total, np.sqrt(total)
    half = error * quantile((1 - LEVEL) / 2, weight, count - 1)
    p = _two_sided_p(abs(mean) / error, weight, count - 1)
    return Difference(mean, mean - half, mean + half, p, *parts)


def quantile(tail: float, weight: Any, degrees: int) -> Any:
    """Return the upper quantile of Cochran & Cox: Student's times ``weight``, the normal one times
    the rest.

    Args:
        weight: of the seeds part, a number or an array.
        degrees: of freedom of the seeds; not read where the weight is 0.
    """
    student, normal = special.stdtrit(max(degrees, 1), tail), special.ndtri(tail)
    return -(weight * student + (1 - weight) * normal)


def _two_sided_p(statistic: float, weight: float, degrees: int) -> float:
    def excess(log_p: float) -> float:
        return float(quantile(np.exp(log_p) / 2, weight, degrees)) - statistic

    if excess(LEAST_LOG_P) <= 0:
        return float(np.exp(LEAST_LOG_P))
    return float(np.exp(brentq(excess, LEAST_LOG_P, 0)))


def variance_over_rows(
    components: Sequence[Components], other_components: Sequence[Components]
) -> float:
    """Return the variance that other test rows would give a difference averaged over seeds.

    It is the covariance between the differences of two seeds on the same rows: what a seed does to
    a row is in the variance over seeds already, and is not counted twice. Of one seed it is the
    variance of its mean.

    Args:
        components: of each seed the components of its figure, from :func:`auc_components` or
            :func:`losses`.
        other_components: the other's, of the same seeds in the same order.
    """
    total: list[Array] = [np.zeros(len(rows)) for rows in components[0]]
    single = 0.0
    for parts, other_parts in zip(components, other_components, strict=True):
        differences = [a.astype(np.float64) - b for a, b in zip(parts, other_parts, strict=True)]
        single += _variance_of_mean(differences)
        for summed, difference in zip(total, differences, strict=True):
            summed += difference
    seeds = len(components)
    if seeds == 1:
        return single
    # The sum of all covariances is the variance of the total; on its diagonal are those of a seed.
    return max((_variance_of_mean(total) - single) / (seeds * (seeds - 1)), 0.0)


def _variance_of_mean(components: Sequence[Array]) -> float:
    return sum(float(rows.var(ddof=1)) / len(rows) for rows in components)


def auc_components(scores_N: Any, labels_N: Any, weights_N: Array | None = None) -> Components:
    """Return DeLong's components of an AUC, of the positives and of the negatives.

    For a positive it is the share of negatives below it, for a negative that of positives above
    it, ties counted one half. The mean of either is the AUC.

    Args:
        scores_N: of any monotone scale.
        labels_N: 0 or 1, two of each at least.
        weights_N: of the rows; a component is multiplied by its row's weight over the mean weight
            of its class, so that the mean is the weighted AUC.
    """
    scores_N, labels_N = np.asarray(scores_N), np.asarray(labels_N, bool)
    order_N = np.argsort(scores_N)
    sorted_N, is_positive_N = scores_N[order_N], labels_N[order_N]
    first_T = np.flatnonzero(np.r_[True, sorted_N[1:] != sorted_N[:-1]])  # of each set of ties
    tied_T = np.diff(first_T, append=len(sorted_N))
    if weights_N is None:
        positives_T = np.add.reduceat(is_positive_N, first_T, dtype=np.int64)
        negatives_T = tied_T - positives_T
    else:
        sorted_weights_N = weights_N[order_N].astype(np.float64)
        positives_T = np.add.reduceat(sorted_weights_N * is_positive_N, first_T)
        negatives_T = np.add.reduceat(sorted_weights_N * ~is_positive_N, first_T)
    positives, negatives = positives_T.sum(), negatives_T.sum()
    below_T = (negatives_T.cumsum() - negatives_T / 2) / negatives
    above_T = 1 - (positives_T.cumsum() - positives_T / 2) / positives
    component_N = np.empty(len(scores_N), np.float32)
    component_N[order_N] = np.where(
        is_positive_N, np.repeat(below_T, tied_T), np.repeat(above_T, tied_T)
    )
    sides = [component_N[labels_N], component_N[~labels_N]]
    if weights_N is not None:
        for side, is_own_N in zip(sides, (labels_N, ~labels_N), strict=True):
            side *= weights_N[is_own_N] / weights_N[is_own_N].mean(dtype=np.float64)
    return sides[0], sides[1]


def losses(logits_N: Any, labels_N: Any) -> Array:
    """Return the logloss of each row, from logits, so that no probability is clipped."""
    logits = np.asarray(logits_N, np.float64)
    loss_N: Array = np.logaddexp(0, logits) - np.asarray(labels_N, np.float64) * logits
    return loss_N


def holm(p_values: Any, hypotheses: int | None = None) -> Array:
    """Return p-values corrected for their number, by Holm's steps (1979); NaN stays.

    Args:
        hypotheses: their number where there are more than have a p-value here.
    """
    p = np.asarray(p_values, float)
    corrected = np.full_like(p, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    count = max(len(order), hypotheses or 0)
    steps = p[order] * np.arange(count, count - len(order), -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
