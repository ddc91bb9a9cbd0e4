"""AUC and logloss, exact, in float64."""

import numpy as np
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
    is_positive_N = labels_N.to(logits_N.device) > 0
    positive_P, negative_Q = _sorted(logits_N[is_positive_N]), _sorted(logits_N[~is_positive_N])
    pairs = len(positive_P) * len(negative_Q)
    if pairs == 0:
        raise ValueError("the AUC needs both classes")
    lower_P = torch.searchsorted(negative_Q, positive_P)
    not_higher_P = torch.searchsorted(negative_Q, positive_P, right=True)
    return int((lower_P + not_higher_P).sum()) / (2 * pairs)


def _sorted(scores_N: Tensor) -> Tensor:
    """Ascending; numpy's sort is ten times as fast as torch's on a CPU."""
    if scores_N.device.type == "cpu":
        return torch.from_numpy(np.sort(scores_N.numpy()))
    return scores_N.sort().values


def logloss(logits_N: Tensor, labels_N: Tensor) -> float:
    """Mean negative log-likelihood in nats, from logits, so that no probability is clipped."""
    logits = logits_N.to(torch.float64)
    return float((F.softplus(logits) - labels_N.to(torch.float64) * logits).mean())


def score(logits_N: Tensor, labels_N: Tensor) -> dict[str, float]:
    """Both figures of the paper."""
    return {"auc": auc(logits_N, labels_N), "logloss": logloss(logits_N, labels_N)}
