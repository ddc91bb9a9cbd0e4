"""AUC and logloss, exact, in float64."""

import torch
from torch import Tensor
from torch.nn import functional as F


def auc(logits_N: Tensor, labels_N: Tensor) -> float:
    """Area under the ROC curve: the Mann-Whitney statistic, ties counted one half.

    Args:
        logits_N: scores of any monotone scale.
        labels_N: 0 or 1.

    Raises:
        ValueError: if only one class is present, where the AUC is undefined.
    """
    order = logits_N.argsort()
    positives = labels_N[order].to(torch.float64)
    _, group = torch.unique_consecutive(logits_N[order], return_inverse=True)
    groups = int(group[-1]) + 1
    zeros = torch.zeros(groups, dtype=torch.float64, device=logits_N.device)
    positive = zeros.index_add(0, group, positives)
    negative = zeros.index_add(0, group, 1 - positives)
    pairs = float(positive.sum() * negative.sum())
    if pairs == 0:
        raise ValueError("the AUC needs both classes")
    below = negative.cumsum(0) - negative / 2
    return float((positive * below).sum()) / pairs


def logloss(logits_N: Tensor, labels_N: Tensor) -> float:
    """Mean negative log-likelihood in nats, from logits, so that no probability is clipped."""
    logits = logits_N.to(torch.float64)
    return float((F.softplus(logits) - labels_N.to(torch.float64) * logits).mean())


def score(logits_N: Tensor, labels_N: Tensor) -> dict[str, float]:
    """Both figures of the paper."""
    return {"auc": auc(logits_N, labels_N), "logloss": logloss(logits_N, labels_N)}
