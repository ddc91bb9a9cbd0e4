"""What a result says beside AUC and logloss, by scikit-learn and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from support import Compose, run, run_directory, small, store_of


def test_figures_beside_auc_and_logloss(shared: Compose) -> None:
    """Of the kept logits; of the validation rows by the weights that were best on them."""
    own = shared(*small("lr"), "data.group=C20", "data.exclude=[C20]")
    figures, store = run(own)["metrics"], store_of(own)
    test = pd.DataFrame(
        {
            "logit": np.load(run_directory(own).logits).astype(np.float64),
            "label": store.part("test").labels_N,
            "group": store.part("test").groups_N,
        }
    )
    test = test[test["group"] >= 0]
    groups = [rows for _, rows in test.groupby("group") if rows["label"].nunique() == 2]
    weights = [len(rows) for rows in groups]
    aucs = [roc_auc_score(rows["label"], rows["logit"]) for rows in groups]
    assert figures["test"]["gauc"] == pytest.approx(np.average(aucs, weights=weights), abs=1e-12)
    assert figures["test"]["gauc_groups"] == len(groups) > 5
    for name in ("valid", "test"):
        found, labels = figures[name], store.part(name).labels_N
        base = stats.entropy([labels.mean(), 1 - labels.mean()])
        assert found["ne"] == pytest.approx(found["logloss"] / base, abs=1e-12)
        assert found["rig"] == 1 - found["ne"] and 0.4 < found["gauc"] < 1
    predicted = 1 / (1 + np.exp(-np.load(run_directory(own).logits).astype(np.float64)))
    ratio = predicted.sum() / store.part("test").labels_N.sum()
    assert figures["test"]["predicted_over_observed"] == pytest.approx(ratio)
