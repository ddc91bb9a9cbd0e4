"""Which models are said to differ."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import make_run, section_of
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench.report.judged.comparisons import comparisons, in_words, note, reading

AUC = {"lr": [0.70, 0.71, 0.70, 0.72], "fm": [0.74, 0.752, 0.741, 0.762], "ffm": [0.75, 0.75]}


def compared(folder: Path) -> pd.DataFrame:
    return comparisons(section_of(folder / "runs"))


def test_over_common_seeds(tmp_path: Path) -> None:
    """ffm, the best by its mean, lacks two of the seeds."""
    for model, values in AUC.items():
        for seed, auc in enumerate(values):
            make_run(tmp_path / "runs", model, seed, auc, logloss=0.5 - auc / 10)
    table = compared(tmp_path).set_index(["model", "against"])
    assert dict(table["seeds"]) == {
        ("lr", "ffm"): 2,
        ("fm", "ffm"): 2,
        ("fm", "lr"): 4,
        ("ffm", "lr"): 2,
    }
    row = table.loc["fm", "lr"]
    expected = stats.ttest_rel(AUC["fm"], AUC["lr"])
    assert row["auc_p"] == pytest.approx(2 * expected.pvalue)  # the smaller of two, by Holm
    assert row["auc_difference"] == pytest.approx(np.subtract(AUC["fm"], AUC["lr"]).mean())
    assert row["auc_says"] == "better" and row["logloss_difference"] < 0
    assert row["logloss_says"] == "better" and in_words(row) == "better in AUC and logloss"
    few = table.loc["ffm", "lr"]
    assert few["auc_says"] == "not distinguishable"
    assert in_words(few) == "not distinguishable at 2 seeds"


def with_rows(folder: Path, model: str, logits_N: Any, labels_N: Any) -> None:
    """A run of one seed with its test logits, and the store beside it with their labels."""
    path = make_run(folder / "runs" / "planted" / model, model)
    figures = {
        "auc": roc_auc_score(labels_N, logits_N),
        "logloss": log_loss(labels_N, 1 / (1 + np.exp(-logits_N))),
    }
    result = json.loads((path / "result.json").read_text())
    result["metrics"]["test"] = figures
    (path / "result.json").write_text(json.dumps(result))
    np.save(path / "logits.npy", logits_N.astype(np.float32))
    store = folder / "stores" / "planted" / "whole"
    store.mkdir(parents=True, exist_ok=True)
    np.save(store / "test.labels.npy", labels_N.astype(np.uint8))


def test_one_seed_is_tested_on_the_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random(4000) < 0.3).astype(int)
    noise = rng.normal(size=4000)
    with_rows(tmp_path, "lr", labels + noise - 1.5, labels)
    with_rows(tmp_path, "fm", 2 * labels + noise - 1.5, labels)
    with_rows(tmp_path, "ffm", 2 * labels + noise - 1.5 + rng.normal(size=4000) / 100, labels)
    table = compared(tmp_path).set_index(["model", "against"])
    row = table.loc["fm", "lr"]
    assert row["test"] == "on the test rows" and row["auc_says"] == "better"
    (path,) = tmp_path.glob("runs/planted/fm/*/result.json")
    (other,) = tmp_path.glob("runs/planted/lr/*/result.json")
    figures = [json.loads(p.read_text())["metrics"]["test"] for p in (path, other)]
    for name in ("auc", "logloss"):
        expected = figures[0][name] - figures[1][name]
        assert row[f"{name}_difference"] == pytest.approx(expected, abs=1e-6)
        assert row[f"{name}_low"] < expected < row[f"{name}_high"]
    alike = next(r for (m, a), r in table.iterrows() if {m, a} == {"fm", "ffm"})
    assert in_words(alike) == "not distinguishable with one seed"
    assert "DeLong" in note(table.reset_index())


def test_one_seed_without_its_rows(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr", 0, 0.7)
    make_run(tmp_path / "runs", "fm", 0, 0.8)
    make_run(tmp_path / "runs", "ffm", 1, 0.75)
    table = compared(tmp_path)
    said = {(row["model"], row["against"]): in_words(row) for _, row in table.iterrows()}
    assert said["lr", "fm"].startswith("untested: one seed")
    assert said["ffm", "lr"] == "untested: no common seed"
    shown = reading(table)
    assert list(shown["auc difference"][:1]) == ["-0.10000"] and set(shown["auc p"]) == {"-"}


def test_one_model_alone(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr")
    assert compared(tmp_path).empty
