"""Tests of difference, against other routes to the same number and simulated error rates."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench.report.judged.statistics import (
    Components,
    Difference,
    auc_components,
    holm,
    losses,
    paired_t,
    two_part_test,
    variance_over_rows,
)

Array = np.ndarray[Any, Any]


def rows(seed: int, count: int, gain: float = 0.0) -> tuple[Array, Array, Array]:
    """Labels, and scores of two models on them that share noise, with some ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.3).astype(int)
    shared = labels + rng.normal(size=count)
    one, two = (shared + rng.normal(size=count) for _ in range(2))
    return labels, np.round(one + gain * labels, 1), np.round(two, 1)


def loss_components(logits_N: Array, labels_N: Array) -> Components:
    return (losses(logits_N, labels_N),)


def test_paired_t_is_scipys() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=7), rng.normal(size=7)
    difference, expected = paired_t(one, two), stats.ttest_rel(one, two)
    interval = expected.confidence_interval(0.95)
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert difference.mean == pytest.approx(np.mean(one) - np.mean(two))


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_a_constant_difference_is_not_tested_by_its_deviation(gap: float) -> None:
    difference = paired_t([1 + gap, 2 + gap], [1, 2])
    assert difference.mean == gap and np.isnan([difference.p, difference.low]).all()


def test_a_constant_difference_over_seeds_has_the_noise_of_the_rows() -> None:
    difference = two_part_test([0.02, 0.02], 0.01**2)
    assert difference.p == pytest.approx(2 * stats.norm.sf(2))
    assert difference.high - difference.mean == pytest.approx(1.959964 * 0.01, rel=1e-5)
    assert (difference.seeds, difference.rows) == (0, 0.01)
    assert np.isnan(two_part_test([0.02, 0.02], 0).p)
    assert two_part_test([0, 0], 0) == Difference(0, 0, 0, 1, 0, 0)


def test_without_noise_of_rows_it_is_the_t_test() -> None:
    differences = np.array([0.01, 0.03, 0.015, 0.02])
    difference, expected = two_part_test(differences, 0), stats.ttest_1samp(differences, 0)
    interval = expected.confidence_interval(0.95)
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("gap", [0.003, 0.0131, 0.05, 1.0])
def test_the_interval_leaves_out_zero_where_p_is_small(seeds: int, gap: float) -> None:
    """The quantile by its definition: Student's and the normal one, weighted by their parts."""
    noise = np.random.default_rng(seeds).normal(size=seeds) / 100
    difference = two_part_test(gap + noise - noise.mean(), 1e-5)
    parts = difference.seeds**2, difference.rows**2
    quantiles = stats.t.ppf(0.975, seeds - 1), stats.norm.ppf(0.975)
    half = np.dot(parts, quantiles) / np.sqrt(sum(parts))
    assert difference.high - difference.mean == pytest.approx(half)
    assert (difference.p < 0.05) == (difference.low > 0) and 0 < difference.p <= 1


def test_delong_by_all_pairs() -> None:
    """The variance of the two-sample U-statistic from the full matrix of pairs."""
    labels, one, two = rows(1, 400, gain=0.2)

    def kernel(scores: Array) -> Array:
        return (np.sign(scores[labels == 1][:, None] - scores[labels == 0][None]) + 1) / 2

    matrices = [kernel(scores) for scores in (one, two)]
    parts = []
    for axis in (1, 0):
        means = np.array([matrix.mean(axis=axis) for matrix in matrices])
        parts.append(np.cov(means) / means.shape[1])
    covariance = sum(parts)
    expected = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    components = [auc_components(scores, labels) for scores in (one, two)]
    assert variance_over_rows(components[:1], components[1:]) == pytest.approx(expected, rel=1e-5)
    for scores, own in zip((one, two), components, strict=True):
        area = roc_auc_score(labels, scores)
        assert [part.mean() for part in own] == pytest.approx([area, area], rel=1e-5)


def test_losses_are_logloss() -> None:
    labels, logits, _ = rows(2, 300)
    probabilities = 1 / (1 + np.exp(-logits))
    assert losses(logits, labels).mean() == pytest.approx(log_loss(labels, probabilities))
    assert np.isfinite(losses([1000, -1000], [0, 1])).all()


@pytest.mark.parametrize("components", [auc_components, loss_components])
def test_rows_of_several_seeds_by_their_covariance(components: Callable[..., Components]) -> None:
    """The mean covariance of two seeds' differences, from the matrix of all of them."""
    rng = np.random.default_rng(3)
    labels, one, two = rows(3, 500)
    seeds = [[scores + rng.normal(size=500) for _ in range(4)] for scores in (one, two)]
    sides = [[components(scores, labels) for scores in own] for own in seeds]
    expected = 0.0
    for part in range(len(sides[0][0])):
        differences = np.array([a[part] - b[part] for a, b in zip(*sides, strict=True)], float)
        covariance = np.cov(differences) / differences.shape[1]
        expected += covariance[~np.eye(4, dtype=bool)].mean()
    assert variance_over_rows(*sides) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_error_rate_whatever_the_share_of_the_seeds(seeds: int, share: float) -> None:
    """Of normal differences without a mean, at most one in twenty is called different."""
    rng = np.random.default_rng(seeds)
    noise = rng.normal(size=(1500, seeds)) * np.sqrt(share * seeds)
    of_rows = rng.normal(size=(1500, 1)) * np.sqrt(1 - share)
    p = [two_part_test(differences, 1 - share).p for differences in noise + of_rows]
    assert np.mean(np.array(p) < 0.05) < 0.06


@cache
def simulated(seeds: int, gain: float, times: int) -> dict[str, float]:
    """How often two models are called different, which differ in the population by ``gain``.

    Their error is of a row (in all seeds), of a row in a seed, and in its size of a whole seed.
    """
    rng = np.random.default_rng(seeds)
    counts = dict.fromkeys(("auc", "logloss", "t-test of auc"), 0)
    for _ in range(times):
        true = rng.normal(size=300)
        labels = rng.random(300) < 1 / (1 + np.exp(-true))
        sides: list[list[Array]] = []
        for size in (0.7, 0.7 + gain):
            lasting, sizes = rng.normal(size=300), size + 0.1 * rng.normal(size=seeds)
            sides.append([true + s * (lasting + 0.5 * rng.normal(size=300)) for s in sizes])
        for name, of in (("auc", auc_components), ("logloss", loss_components)):
            parts = [[of(logits, labels) for logits in side] for side in sides]
            figures = [[run[0].mean(dtype=float) for run in side] for side in parts]
            p = two_part_test(np.subtract(*figures), variance_over_rows(*parts)).p
            counts[name] += p < 0.05
            if name == "auc":
                counts["t-test of auc"] += paired_t(*figures).p < 0.05
    return {name: count / times for name, count in counts.items()}


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_error_rate_over_seeds_and_rows(seeds: int) -> None:
    """Of models that do not differ in the population, at most 6 % are called different; a t-test
    over the seeds takes the noise of the rows for a difference."""
    rates = simulated(seeds, 0, 500)
    assert max(rates["auc"], rates["logloss"]) < 0.06 and rates["t-test of auc"] > 0.15


def test_power() -> None:
    """Models that do differ are found, and more often over more seeds."""
    few, many = (simulated(seeds, 0.8, 100) for seeds in (3, 10))
    for name in ("auc", "logloss"):
        assert 0.3 < few[name] <= many[name]


def test_holm() -> None:
    """By its definition: p times the number of hypotheses not yet rejected, never falling."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, np.nan, 0.6]) == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert holm([0.01, 0.04], 4) == pytest.approx([0.04, 0.12])
    assert len(holm([])) == 0


def test_holms_familywise_error() -> None:
    rng = np.random.default_rng(5)
    wrong = np.mean([(holm(rng.random(6)) < 0.05).any() for _ in range(4000)])
    assert 0.04 < wrong < 0.06
