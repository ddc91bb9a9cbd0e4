"""AUC and logloss against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench import metrics


@pytest.mark.parametrize("levels", [3, 50, 10**6])  # many ties, some, hardly any
def test_as_sklearn(levels: int) -> None:
    rng = np.random.default_rng(levels)
    logits = rng.integers(-levels, levels, 5000) / levels * 4
    labels = (rng.random(5000) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    scored = metrics.score(torch.tensor(logits), torch.tensor(labels))
    assert scored["auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    assert scored["logloss"] == pytest.approx(
        log_loss(labels, 1 / (1 + np.exp(-logits))), abs=1e-12
    )


def test_one_class_has_no_auc() -> None:
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(torch.tensor([0.1, 0.2]), torch.tensor([1, 1]))


def test_logloss_of_a_certain_mistake_is_not_clipped() -> None:
    assert metrics.logloss(torch.tensor([200.0]), torch.tensor([0])) == 200.0
