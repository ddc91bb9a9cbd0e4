"""Tests of difference, against other routes to the same number and simulated error rates."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench.report.judged import statistics
from ctrbench.report.judged.statistics import (
    bootstrap,
    delong,
    holm,
    losses,
    paired_rows,
    paired_t,
)


def rows(seed: int, count: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and scores of two models on them that share noise, with some ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.3).astype(int)
    shared = labels + rng.normal(size=count)
    one, two = (shared + rng.normal(size=count) for _ in range(2))
    return labels, np.round(one + gain * labels, 1), np.round(two, 1)


def test_paired_t_is_scipys() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=7), rng.normal(size=7)
    found, expected = paired_t(one, two), stats.ttest_rel(one, two)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(np.mean(one) - np.mean(two))


def test_differences_without_deviation() -> None:
    assert paired_t([1, 2], [1, 2]) == statistics.Difference(0, 0, 0, 1)
    assert paired_t([1.5, 2.5], [1, 2]) == statistics.Difference(0.5, 0.5, 0.5, 0)
    labels, one, _ = rows(0, 100)
    assert delong(one, one, labels) == statistics.Difference(0, 0, 0, 1)


def test_delong_by_all_pairs() -> None:
    """The variance of the two-sample U-statistic from the full matrix of pairs."""
    labels, one, two = rows(1, 400, gain=0.2)

    def kernel(scores: np.ndarray) -> np.ndarray:
        return (np.sign(scores[labels == 1][:, None] - scores[labels == 0][None]) + 1) / 2

    matrices = [kernel(scores) for scores in (one, two)]
    parts = []
    for axis in (1, 0):
        means = np.array([matrix.mean(axis=axis) for matrix in matrices])
        parts.append(np.cov(means) / means.shape[1])
    covariance = sum(parts)
    deviation = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    expected = roc_auc_score(labels, one) - roc_auc_score(labels, two)
    found = delong(one, two, labels)
    assert found.mean == pytest.approx(expected, abs=1e-12)
    assert found.high - found.mean == pytest.approx(1.959964 * deviation, rel=1e-5)
    assert found.p == pytest.approx(stats.chi2.sf((expected / deviation) ** 2, 1))


def test_delongs_error_rate() -> None:
    """Of models that do not differ, one in twenty is called different; of others more."""
    p = [[delong(one, two, labels).p for labels, one, two in trials(gain)] for gain in (0, 0.3)]
    same, apart = (np.mean(np.array(values) < 0.05) for values in p)
    assert 0.02 < same < 0.08 and apart > 0.5


def trials(gain: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return [rows(seed, 500, gain) for seed in range(600)]


def test_losses_are_logloss() -> None:
    labels, logits, _ = rows(2, 300)
    probabilities = 1 / (1 + np.exp(-logits))
    assert losses(logits, labels).mean() == pytest.approx(log_loss(labels, probabilities))
    assert np.isfinite(losses([1000, -1000], [0, 1])).all()


def test_bootstrap_is_as_wide_as_the_mean_varies() -> None:
    values = np.random.default_rng(3).exponential(size=5_000)
    low, high = bootstrap(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(5_000), rel=0.1)
    assert low < values.mean() < high and bootstrap(values) == (low, high)


def test_bootstrap_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval is that of all rows, however their order; its draws are those of few."""
    monkeypatch.setattr(statistics, "BLOCKS", 1_000)
    values = np.sort(np.random.default_rng(4).exponential(size=9_500))
    low, high = bootstrap(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(9_500), rel=0.15)
    assert low < values.mean() < high


def test_bootstraps_coverage() -> None:
    draws = [np.random.default_rng(seed).exponential(size=200) for seed in range(200)]
    covered = [low < 1 < high for low, high in map(bootstrap, draws)]
    assert 0.89 < np.mean(covered) < 0.98


def test_logloss_on_the_same_rows() -> None:
    labels, one, two = rows(6, 3_000)
    found = paired_rows(one, two, labels)
    expected = [log_loss(labels, 1 / (1 + np.exp(-logits))) for logits in (one, two)]
    assert found.mean == pytest.approx(expected[0] - expected[1])
    assert found.low < found.mean < found.high
    sames = [paired_rows(one, two, labels).p for labels, one, two in trials(0)[:200]]
    assert 0.02 < np.mean(np.array(sames) < 0.05) < 0.1
    assert paired_rows(one, one, labels) == statistics.Difference(0, 0, 0, 1)


def test_holm() -> None:
    """By its definition: p times the number of hypotheses not yet rejected, never falling."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, np.nan, 0.6]) == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert len(holm([])) == 0


def test_holms_familywise_error() -> None:
    rng = np.random.default_rng(5)
    wrong = np.mean([(holm(rng.random(6)) < 0.05).any() for _ in range(4000)])
    assert 0.04 < wrong < 0.06
