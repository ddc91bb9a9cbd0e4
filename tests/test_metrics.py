"""AUC and logloss against scikit-learn; what is reported beside them by its formula."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench import metrics
from ctrbench.training import validation


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [3, 50, 10**6])  # many ties, some, hardly any
def test_as_sklearn(levels: int, precision: type[np.floating]) -> None:
    """Those of reports, in numpy, and those of training, in torch."""
    rng = np.random.default_rng(levels)
    logits = rng.integers(-levels, levels, 5000) / levels * 4
    labels = (rng.random(5000) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    logits = logits.astype(precision)
    scored = metrics.score(logits, labels)
    in_torch = validation.score(torch.tensor(logits), torch.tensor(labels))
    assert in_torch == pytest.approx(scored, abs=1e-14)
    logits = logits.astype(np.float64)
    assert scored["auc"] == pytest.approx(roc_auc_score(labels, logits), abs=1e-12)
    assert scored["logloss"] == pytest.approx(
        log_loss(labels, 1 / (1 + np.exp(-logits))), abs=1e-12
    )


def test_one_class_has_no_auc() -> None:
    with pytest.raises(ValueError, match="both classes"):
        metrics.auc(np.array([0.1, 0.2]), np.array([1, 1]))


def test_logloss_of_a_certain_mistake_is_not_clipped() -> None:
    assert metrics.logloss(np.array([200.0]), np.array([0])) == 200.0


@pytest.mark.parametrize("logit", [21.0, 40.0])
def test_logloss_of_a_certain_hit_is_not_zero(logit: float) -> None:
    found = [metrics.logloss(np.array([x]), np.array([x > 0])) for x in (logit, -logit)]
    assert found == pytest.approx([math.log1p(math.exp(-logit))] * 2, rel=1e-12)


@pytest.mark.parametrize("levels", [2, 30, 10**6])  # many ties, some, hardly any
def test_gauc_is_a_weighted_mean_of_sklearns(levels: int) -> None:
    """Of large groups and small ones, of one class, of one row, and rows without a group."""
    rng = np.random.default_rng(levels)
    groups = np.floor(200 * rng.random(3000) ** 4).astype(np.int32) - 1
    groups[:2] = 1000, 1001  # of one row
    logits = rng.integers(-levels, levels, 3000).astype(np.float32)
    labels = (rng.random(3000) < 0.3).astype(np.uint8)
    labels[groups == 7] = 1
    weighted, rows, used, unused = 0.0, 0, 0, 0
    for group in set(groups.tolist()) - {-1}:
        own = groups == group
        if len(set(labels[own])) == 1:
            unused += 1
            continue
        used, rows = used + 1, rows + int(own.sum())
        weighted += own.sum() * roc_auc_score(labels[own], logits[own])
    assert metrics.gauc(logits, labels, groups) == {
        "gauc": pytest.approx(weighted / rows, abs=1e-14),
        "gauc_groups": used,
        "gauc_groups_left_out": unused,
        "gauc_rows_left_out": 3000 - rows,
    }
    assert unused >= 3 and (groups == -1).any() and used > 20


def test_gauc_of_equal_infinities_and_of_no_group() -> None:
    labels, certain = np.array([0, 1, 1, 0], np.uint8), np.full(4, np.inf)
    assert metrics.gauc(certain, labels, np.zeros(4, np.int32))["gauc"] == 0.5
    nothing = {"gauc": None, "gauc_groups": 0, "gauc_rows_left_out": 4}
    none = metrics.gauc(certain, labels, np.full(4, -1, np.int32))
    assert none == nothing | {"gauc_groups_left_out": 0}
    alone = metrics.gauc(certain, labels, np.arange(4, dtype=np.int32))
    assert alone == nothing | {"gauc_groups_left_out": 4}


def test_what_is_reported_beside() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=4000) - 1
    labels = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(np.uint8)
    said = metrics.beside(logits, labels, None)
    told, rate = 1 / (1 + np.exp(-logits)), labels.mean()
    expected = log_loss(labels, told) / stats.entropy([rate, 1 - rate])
    assert said["ne"] == pytest.approx(expected, abs=1e-12)
    assert said["rig"] == pytest.approx(1 - expected, abs=1e-12)
    assert said["predicted_over_observed"] == pytest.approx(told.sum() / labels.sum(), abs=1e-12)
    same_for_all = np.full(4000, np.log(rate / (1 - rate)))
    base = metrics.beside(same_for_all, labels, None)
    assert base["ne"] == pytest.approx(1) == base["predicted_over_observed"]
