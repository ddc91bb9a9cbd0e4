"""The difference of two means of independent samples (Welch 1947), from their summaries."""

import numpy as np
from scipy import stats

from ctrbench.report.judged.statistics import LEVEL, Difference

Sample = tuple[float, float, int]  # mean, standard deviation, count


def welch(sample: Sample, other: Sample) -> Difference:
    """Compare two means by Welch's t-test; without an interval where one has a single value."""
    (mean, deviation, count), (other_mean, other_deviation, other_count) = sample, other
    difference = mean - other_mean
    if min(count, other_count) < 2:
        return Difference(difference, np.nan, np.nan, np.nan)
    parts = np.array([deviation**2 / count, other_deviation**2 / other_count])
    error = float(np.sqrt(parts.sum()))
    if error == 0:
        bound, p = (0.0, 1.0) if difference == 0 else (np.nan, np.nan)
        return Difference(difference, bound, bound, p)
    degrees = parts.sum() ** 2 / (parts**2 / np.array([count - 1, other_count - 1])).sum()
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, degrees))
    p = 2 * float(stats.t.sf(abs(difference) / error, degrees))
    return Difference(difference, difference - half, difference + half, p, seeds=error)
