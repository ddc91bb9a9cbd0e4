"""Models over several data sets: ranks (Demšar 2006) and improvability (TabArena 2025).

Scores and errors are tables with a row for each data set and a column for each model.
"""

import numpy as np
import pandas as pd
from scipy import stats

from ctrbench.report.judged.statistics import LEVEL

DRAWS = 10_000


def mean_ranks(scores: pd.DataFrame) -> pd.Series:
    """Return each model's mean rank, 1 for the highest score; ties share their ranks."""
    ranks: pd.Series = scores.rank(axis=1, ascending=False).mean()
    return ranks


def wins(scores: pd.DataFrame) -> pd.Series:
    """Return on how many data sets each model has the highest score, ties counted for each."""
    counts: pd.Series = scores.eq(scores.max(axis=1), axis=0).sum()
    return counts


def critical_difference(models: int, data_sets: int) -> float:
    """Return by how much mean ranks must differ at ``LEVEL`` in Nemenyi's test (Demšar 2006)."""
    quantile = stats.studentized_range.ppf(LEVEL, models, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(models * (models + 1) / (6 * data_sets)))


def friedman_p(scores: pd.DataFrame) -> float:
    """Return the p-value of all models being alike; NaN for fewer than three models."""
    if scores.shape[1] < 3 or scores.nunique(axis=1).max() == 1:
        return float("nan")
    return float(stats.friedmanchisquare(*(scores[model] for model in scores)).pvalue)


def improvability(errors: pd.DataFrame) -> pd.DataFrame:
    """Return by how much the best model's error is lower, relative to each model's own."""
    return 1 - errors.rdiv(errors.min(axis=1), axis=0).fillna(1)


def bootstrap_intervals(values: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the interval at ``LEVEL`` of each column's mean, by drawing data sets again.

    Columns are ``low`` and ``high``; the draws are the same for all models.
    """
    draws_BD = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    means_BM = values.to_numpy(float)[draws_BD].mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means_BM, [tail, 1 - tail], axis=0)
    return pd.DataFrame({"low": low, "high": high}, index=values.columns)
