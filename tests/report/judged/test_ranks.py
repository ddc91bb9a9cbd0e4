"""Statistics over data sets, against Demšar's tables, scipy and plain loops."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ctrbench.report.judged.ranks import (
    bootstrap_intervals,
    critical_difference,
    friedman_p,
    improvability,
    mean_ranks,
    wins,
)

# Demšar (2006), table 6: AUC of C4.5 and of its versions with m, cf and both, on 14 data sets.
AUCS = [
    *((0.763, 0.768, 0.771, 0.798), (0.599, 0.591, 0.590, 0.569), (0.954, 0.971, 0.968, 0.967)),
    *((0.628, 0.661, 0.654, 0.657), (0.882, 0.888, 0.886, 0.898), (0.936, 0.931, 0.916, 0.931)),
    *((0.661, 0.668, 0.609, 0.685), (0.583, 0.583, 0.563, 0.625), (0.775, 0.838, 0.866, 0.875)),
    *((1.000, 1.000, 1.000, 1.000), (0.940, 0.962, 0.965, 0.962), (0.619, 0.666, 0.614, 0.669)),
    *((0.972, 0.981, 0.9751, 0.975), (0.957, 0.978, 0.946, 0.970)),
]
SCORES = pd.DataFrame(AUCS, columns=["C4.5", "m", "cf", "m+cf"])


def test_ranks_of_demsar() -> None:
    """As printed there: mean ranks 3.143, 2.000, 2.893, 1.964; chi-square 9.28 of 3 degrees."""
    assert mean_ranks(SCORES).to_numpy() == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=1e-3)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    ranks, (rows, models) = mean_ranks(SCORES), SCORES.shape
    chi = 12 * rows / models / (models + 1) * ((ranks**2).sum() - models * (models + 1) ** 2 / 4)
    assert chi == pytest.approx(9.28, abs=5e-3)
    ties = [count for _, row in SCORES.iterrows() for count in row.value_counts()]
    chi /= 1 - sum(count**3 - count for count in ties) / (rows * models * (models**2 - 1))
    assert friedman_p(SCORES) == pytest.approx(stats.chi2.sf(chi, models - 1))


@pytest.mark.parametrize(("models", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_quantiles_of_nemenyi(models: int, quantile: float) -> None:
    """Those of Demšar's table 5."""
    expected = quantile * np.sqrt(models * (models + 1) / (6 * 20))
    assert critical_difference(models, 20) == pytest.approx(expected, abs=1e-3)


def test_wins_and_few_models() -> None:
    assert wins(SCORES).sum() == 14 + 3 + 0  # on one all are 1, of the others none is shared
    assert np.isnan(friedman_p(SCORES[["C4.5", "m"]]))


def test_improvability() -> None:
    errors = pd.DataFrame({"a": [0.2, 0.4, 0.0], "b": [0.1, 0.5, 0.0]})
    relative = improvability(errors)
    assert relative["a"].tolist() == pytest.approx([0.5, 0, 0])
    assert relative["b"].tolist() == pytest.approx([0, 0.2, 0])


def test_the_bootstrap() -> None:
    """Near the normal interval of a mean, and exact where all data sets agree."""
    draw = np.random.default_rng(0)
    values = pd.DataFrame({"a": draw.normal(1, 0.1, 200), "b": np.full(200, 0.3)})
    intervals = bootstrap_intervals(values)
    half = 1.96 * values["a"].std(ddof=0) / np.sqrt(200)
    assert intervals.loc["a", "low"] == pytest.approx(values["a"].mean() - half, abs=0.1 * half)
    assert intervals.loc["a", "high"] == pytest.approx(values["a"].mean() + half, abs=0.1 * half)
    assert intervals.loc["b"].tolist() == pytest.approx([0.3, 0.3])
