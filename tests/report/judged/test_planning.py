"""The power of the report's test, against the noncentral t and against simulated comparisons."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ctrbench.report.judged.planning import POWER, Noise, noise_of, planning_note, planning_rows
from ctrbench.report.judged.statistics import two_part_test


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 40])
def test_without_noise_of_the_rows(seeds: int) -> None:
    """The paired t-test's, by scipy's noncentral t."""
    noise, bound = Noise(4e-6, 0), stats.t.ppf(0.975, seeds - 1)
    for difference in (0.0, 0.001, 0.004):
        ncp = difference / np.sqrt(4e-6 / seeds)
        expected = stats.nct.sf(bound, seeds - 1, ncp) + stats.nct.cdf(-bound, seeds - 1, ncp)
        assert noise.power(difference, seeds) == pytest.approx(expected, abs=2e-3)


def test_simulated() -> None:
    """Of comparisons with both sources of noise, as often as it says."""
    draw, noise, seeds, trials = np.random.default_rng(0), Noise(9e-6, 2e-6), 5, 2_000
    difference = noise.detectable(seeds)
    shifts = draw.normal(difference, np.sqrt(noise.rows), trials)  # of the test rows
    found = [
        two_part_test(draw.normal(shift, np.sqrt(noise.seeds), seeds), noise.rows).p < 0.05
        for shift in shifts
    ]
    assert np.mean(found) == pytest.approx(POWER, abs=4 * np.sqrt(POWER * (1 - POWER) / trials))


def test_the_fewest_seeds() -> None:
    noise = Noise(9e-6, 1e-8)
    seeds = noise.seeds_for(0.002)
    assert seeds is not None
    assert noise.power(0.002, seeds) >= POWER > noise.power(0.002, seeds - 1)
    assert noise.detectable(seeds) <= 0.002 < noise.detectable(seeds - 1)
    # of the rows alone: no number of seeds shows less than (1.96 + 0.84) of their error
    limit = (stats.norm.ppf(0.975) + stats.norm.ppf(POWER)) * 1e-4
    assert noise.seeds_for(0.98 * limit) is None


def test_the_table() -> None:
    """Variances are means over the comparisons; those of one seed tell nothing."""
    compared = pd.DataFrame(
        {
            "seeds": [4, 4, 1],
            "auc_seeds": [0.001, 0.002, np.nan],
            "auc_rows": [0.0, 0.0004, 0.5],
            "logloss_seeds": [0.1, 0.1, np.nan],
            "logloss_rows": [0.001, 0.001, 0.5],
        }
    )
    noise = noise_of(compared, "auc")
    assert noise is not None
    assert noise.seeds == pytest.approx(4 * (1e-6 + 4e-6) / 2)
    assert noise.rows == pytest.approx(8e-8)
    auc, logloss = planning_rows(compared)
    assert float(auc["3 seeds show"]) > float(auc["5 seeds show"]) > float(auc["10 seeds show"])
    assert logloss["seeds for 0.001"] == "more test rows" and "1,000" in planning_note([logloss])
    assert planning_rows(compared[2:]) == planning_rows(pd.DataFrame()) == []
