"""Metrics of logits and labels in numpy, exact, in float64.

AUC and logloss select models; the others are reported beside them. Training computes these two
where the logits are: :mod:`ctrbench.training.validation`.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Weights = Array | None


def auc(logits_N: Array, labels_N: Array, weights_N: Weights = None) -> float:
    """Return the area under the ROC curve: the Mann-Whitney statistic, ties counted one half.

    Args:
        logits_N: scores of any monotone scale.
        labels_N: 0 or 1.
        weights_N: of the rows, a pair counts as the product of its two; None: all count the same.

    Raises:
        ValueError: if only one class is present, where the AUC is undefined.
    """
    if weights_N is not None:
        whole_N = np.zeros(len(labels_N), np.int32)
        *_, auc_G = _weighted_auc_within(logits_N, labels_N, whole_N, weights_N)
        if np.isnan(auc_G[0]):
            raise ValueError("the AUC needs both classes")
        return float(auc_G[0])
    is_positive_N = labels_N > 0
    positive_P, negative_Q = np.sort(logits_N[is_positive_N]), np.sort(logits_N[~is_positive_N])
    pairs = len(positive_P) * len(negative_Q)
    if pairs == 0:
        raise ValueError("the AUC needs both classes")
    lower = np.searchsorted(negative_Q, positive_P).sum()
    not_higher = np.searchsorted(negative_Q, positive_P, side="right").sum()
    return int(lower + not_higher) / (2 * pairs)


def logloss(logits_N: Array, labels_N: Array, weights_N: Weights = None) -> float:
    """Return the mean negative log-likelihood in nats, from logits: no probability is clipped."""
    logits = logits_N.astype(np.float64)
    losses = np.maximum(logits, 0) - logits * labels_N + np.log1p(np.exp(-np.abs(logits)))
    return _mean(losses, weights_N)


def _mean(values_N: Array, weights_N: Weights) -> float:
    """Return a mean over rows, weighted if there are weights."""
    if weights_N is None:
        return float(values_N.mean())
    return float(np.average(values_N, weights=weights_N.astype(np.float64)))


def score(logits_N: Array, labels_N: Array, weights_N: Weights = None) -> dict[str, float]:
    """Return the metrics that select models: AUC and logloss."""
    rows = (logits_N, labels_N, weights_N)
    return {"auc": auc(*rows), "logloss": logloss(*rows)}


def beside(
    logits_N: Array,
    labels_N: Array,
    groups_N: npt.NDArray[np.int32] | None,
    weights_N: Weights = None,
    negative_rate: float | None = None,
) -> dict[str, Any]:
    """Return the further metrics of a report: normalised entropy, calibration, GAUC.

    Args:
        groups_N: as :func:`gauc` takes them; without any, it has no GAUC.
        weights_N: of the rows; None: all count the same.
        negative_rate: the share of the rows without a click that were kept; None: all.
    """
    rows = (logits_N, labels_N, weights_N)
    entropy = normalised_entropy(logloss(*rows), _mean(labels_N, weights_N))
    figures: dict[str, Any] = {
        "ne": entropy,
        "rig": 1 - entropy,
        "predicted_over_observed": predicted_over_observed(*rows),
    }
    if negative_rate is not None:
        figures["corrected_predicted_over_observed"] = predicted_over_observed(
            correct_logits(logits_N.astype(np.float64), negative_rate),
            labels_N,
            rows_of_all_negatives(labels_N, negative_rate, weights_N),
        )
    return figures if groups_N is None else figures | gauc(logits_N, labels_N, groups_N, weights_N)


def correct_logits(logits: Any, negative_rate: float) -> Any:
    """Return the logits of the probabilities p / (p + (1 - p) / w) by which those of rows whose
    negatives were sampled at a rate w hold for all rows: logit(p) + log w (He et al. 2014,
    section 6.3)."""
    return logits + math.log(negative_rate)


def rows_of_all_negatives(labels_N: Array, negative_rate: float, weights_N: Weights) -> Array:
    """Return for each row how many of all rows it stands for: a negative for 1 / w, where one in
    1 / w was kept."""
    rows_N: Array = np.where(labels_N > 0, 1.0, 1 / negative_rate)
    return rows_N if weights_N is None else rows_N * weights_N


def normalised_entropy(loss: float, rate: float) -> float:
    """Return logloss divided by the logloss of always predicting the mean click rate.

    One minus it is the relative information gain (RIG); below 1, a model knows more than the rate
    (He et al. 2014, Practical Lessons from Predicting Clicks on Ads at Facebook, equation 1).

    Args:
        loss: in nats.
        rate: of the same rows, neither 0 nor 1.
    """
    return loss / -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))


def predicted_over_observed(logits_N: Array, labels_N: Array, weights_N: Weights = None) -> float:
    """Return predicted clicks divided by observed clicks, the calibration of He et al. 2014."""
    log_rates = -np.logaddexp(0, -logits_N.astype(np.float64))
    return _mean(np.exp(log_rates), weights_N) / _mean(labels_N, weights_N)


def gauc(
    logits_N: Array,
    labels_N: Array,
    groups_N: npt.NDArray[np.int32],
    weights_N: Weights = None,
) -> dict[str, Any]:
    """Return the mean over groups of the AUC within each, weighted by rows, or by their weights.

    Source: Zhu et al. 2017, Optimized Cost per Click in Taobao Display Advertising.

    Rows without a group, and groups of one class, are left out.

    Args:
        groups_N: a number for each group; a negative one for a row that has none.

    Returns:
        ``gauc``, None where no group has both classes; ``gauc_groups`` that it is of;
        ``gauc_groups_left_out`` and ``gauc_rows_left_out``.
    """
    size_G: Array
    if weights_N is None:
        rows_G, positive_G, auc_G = _auc_within(logits_N, labels_N, groups_N)
        is_used_G, size_G = (positive_G > 0) & (positive_G < rows_G), rows_G
    else:
        rows_G, size_G, auc_G = _weighted_auc_within(logits_N, labels_N, groups_N, weights_N)
        is_used_G = ~np.isnan(auc_G)
    rows = int(rows_G[is_used_G].sum())
    weighted = math.fsum(size_G[is_used_G] * auc_G[is_used_G])
    return {
        "gauc": weighted / size_G[is_used_G].sum() if rows else None,
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


def _weighted_auc_within(
    logits_N: Array, labels_N: Array, groups_N: npt.NDArray[np.int32], weights_N: Array
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return rows, weight and AUC of each group; the AUC of a group without a weight on both
    classes is NaN."""
    order_M = np.lexsort((logits_N, groups_N))[np.count_nonzero(groups_N < 0) :]
    groups_M, logits_M = groups_N[order_M], logits_N[order_M]
    weights_M, is_positive_M = weights_N[order_M].astype(np.float64), labels_N[order_M] > 0
    begins_M = np.r_[True, groups_M[1:] != groups_M[:-1]][: len(order_M)]
    changes_M = begins_M | np.r_[True, logits_M[1:] != logits_M[:-1]][: len(order_M)]
    first_T, first_G = np.flatnonzero(changes_M), np.flatnonzero(begins_M)
    positive_T = np.add.reduceat(weights_M * is_positive_M, first_T)
    negative_T = np.add.reduceat(weights_M * ~is_positive_M, first_T)
    begins_G = np.flatnonzero(begins_M[first_T])  # of each group, its first tie
    up_to_T = negative_T.cumsum()
    before_G = (up_to_T - negative_T)[begins_G]
    ties_G = np.diff(begins_G, append=len(first_T))
    below_T = up_to_T - negative_T / 2 - np.repeat(before_G, ties_G)
    positive_G = np.add.reduceat(positive_T, begins_G)
    negative_G = np.add.reduceat(negative_T, begins_G)
    pairs_G = np.add.reduceat(positive_T * below_T, begins_G)
    with np.errstate(invalid="ignore"):
        auc_G = pairs_G / (positive_G * negative_G)
    rows_G = np.diff(first_G, append=len(order_M))
    return rows_G, positive_G + negative_G, auc_G
