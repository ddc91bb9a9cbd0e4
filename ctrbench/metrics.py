"""Metrics of logits and labels in numpy, exact, in float64.

AUC and logloss select models; the others are reported beside them. Training computes these two
where the logits are: :mod:`ctrbench.training.validation`.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def auc(logits_N: Array, labels_N: Array) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, ties counted one half.

    Args:
        logits_N: scores of any monotone scale.
        labels_N: 0 or 1.

    Raises:
        ValueError: if only one class is present, where the AUC is undefined.
    """
    is_positive_N = labels_N > 0
    positive_P, negative_Q = np.sort(logits_N[is_positive_N]), np.sort(logits_N[~is_positive_N])
    pairs = len(positive_P) * len(negative_Q)
    if pairs == 0:
        raise ValueError("the AUC needs both classes")
    lower = np.searchsorted(negative_Q, positive_P).sum()
    not_higher = np.searchsorted(negative_Q, positive_P, side="right").sum()
    return int(lower + not_higher) / (2 * pairs)


def logloss(logits_N: Array, labels_N: Array) -> float:
    """Return the mean negative log-likelihood in nats, from logits: no probability is clipped."""
    logits = logits_N.astype(np.float64)
    losses = np.maximum(logits, 0) - logits * labels_N + np.log1p(np.exp(-np.abs(logits)))
    return float(losses.mean())


def score(logits_N: Array, labels_N: Array) -> dict[str, float]:
    """Return the metrics that select models: AUC and logloss."""
    return {"auc": auc(logits_N, labels_N), "logloss": logloss(logits_N, labels_N)}


def beside(
    logits_N: Array, labels_N: Array, groups_N: npt.NDArray[np.int32] | None
) -> dict[str, Any]:
    """Return the further metrics of a report: normalised entropy, calibration, GAUC.

    Args:
        groups_N: as :func:`gauc` takes them; without any, it has no GAUC.
    """
    entropy = normalised_entropy(logloss(logits_N, labels_N), float(labels_N.mean()))
    figures: dict[str, Any] = {
        "ne": entropy,
        "rig": 1 - entropy,
        "predicted_over_observed": predicted_over_observed(logits_N, labels_N),
    }
    return figures if groups_N is None else figures | gauc(logits_N, labels_N, groups_N)


def normalised_entropy(loss: float, rate: float) -> float:
    """Return logloss divided by the logloss of always predicting the mean click rate.

    One minus it is the relative information gain (RIG); below 1, a model knows more than the rate
    (He et al. 2014, Practical Lessons from Predicting Clicks on Ads at Facebook, equation 1).

    Args:
        loss: in nats.
        rate: of the same rows, neither 0 nor 1.
    """
    return loss / -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))


def predicted_over_observed(logits_N: Array, labels_N: Array) -> float:
    """Return predicted clicks divided by observed clicks, the calibration of He et al. 2014."""
    log_rates = -np.logaddexp(0, -logits_N.astype(np.float64))
    return float(np.exp(log_rates).mean() / labels_N.mean())


def gauc(logits_N: Array, labels_N: Array, groups_N: npt.NDArray[np.int32]) -> dict[str, Any]:
    """Return the mean over groups of the AUC within each, weighted by rows.

    Source: Zhu et al. 2017, Optimized Cost per Click in Taobao Display Advertising.

    Rows without a group, and groups of one class, are left out.

    Args:
        groups_N: a number for each group; a negative one for a row that has none.

    Returns:
        ``gauc``, None where no group has both classes; ``gauc_groups`` that it is of;
        ``gauc_groups_left_out`` and ``gauc_rows_left_out``.
    """
    rows_G, positive_G, auc_G = _auc_within(logits_N, labels_N, groups_N)
    is_used_G = (positive_G > 0) & (positive_G < rows_G)
    rows = int(rows_G[is_used_G].sum())
    weighted = math.fsum(rows_G[is_used_G] * auc_G[is_used_G])
    return {
        "gauc": weighted / rows if rows else None,
        "gauc_groups": int(is_used_G.sum()),
        "gauc_groups_left_out": int((~is_used_G).sum()),
        "gauc_rows_left_out": len(groups_N) - rows,
    }


def _auc_within(
    logits_N: Array, labels_N: Array, groups_N: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return rows, positive rows and AUC of each group, by ranks; ties share their mean rank.
    The AUC of a group of one class is NaN."""
    order_M = np.lexsort((logits_N, groups_N))[np.count_nonzero(groups_N < 0) :]
    groups_M, logits_M = groups_N[order_M], logits_N[order_M]
    is_positive_M = labels_N[order_M] > 0
    begins_M = np.r_[True, groups_M[1:] != groups_M[:-1]][: len(order_M)]
    changes_M = begins_M | np.r_[True, logits_M[1:] != logits_M[:-1]][: len(order_M)]
    first_G, first_T = np.flatnonzero(begins_M), np.flatnonzero(changes_M)
    rows_G, tied_T = (np.diff(first, append=len(order_M)) for first in (first_G, first_T))
    twice_rank_M = np.repeat(2 * first_T + tied_T + 1, tied_T) - np.repeat(2 * first_G, rows_G)
    positive_G = np.add.reduceat(is_positive_M, first_G, dtype=np.int64)
    ranks_G = np.add.reduceat(twice_rank_M * is_positive_M, first_G)
    pairs_G = positive_G * (rows_G - positive_G)
    with np.errstate(invalid="ignore"):
        return rows_G, positive_G, (ranks_G - positive_G * (positive_G + 1)) / (2 * pairs_G)
