"""Which models are said to differ."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import make_run, section_of, write_scores
from scipy import stats
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench.report.judged.comparisons import (
    comparison_note,
    comparison_table,
    comparisons,
    outcome_text,
    reference,
)
from ctrbench.report.judged.paired import PairedTests
from ctrbench.runs.interface import Run

AUC = {"lr": [0.70, 0.71, 0.70, 0.72], "fm": [0.74, 0.752, 0.741, 0.762], "ffm": [0.75, 0.75]}


def compared(folder: Path) -> pd.DataFrame:
    return comparisons(section_of(folder / "runs"))


def test_over_common_seeds(tmp_path: Path) -> None:
    """ffm, the best by its mean, lacks two of the seeds."""
    for model, values in AUC.items():
        for seed, auc in enumerate(values):
            make_run(tmp_path / "runs", model, seed, auc, logloss=0.5 - auc / 10, scored=True)
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
    assert row["logloss_says"] == "better" and outcome_text(row) == "better in AUC and logloss"
    few = table.loc["ffm", "lr"]
    assert few["auc_says"] == "not significantly different"
    assert outcome_text(few) == "not significantly different at 2 seeds"


def with_rows(folder: Path, model: str, logits_N: Any, labels_N: Any) -> None:
    """A run of one seed with its test logits, and the store beside it with their labels."""
    path = make_run(folder / "runs" / "planted" / model, model)
    figures = {
        "auc": roc_auc_score(labels_N, logits_N),
        "logloss": log_loss(labels_N, 1 / (1 + np.exp(-logits_N))),
    }
    result = json.loads((path / "result.json").read_text())
    result["metrics"] = {"test": figures, "valid": figures}
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
    assert row["test"] == "test rows alone" and row["auc_says"] == "better"
    (path,) = tmp_path.glob("runs/planted/fm/*/result.json")
    (other,) = tmp_path.glob("runs/planted/lr/*/result.json")
    figures = [json.loads(p.read_text())["metrics"]["test"] for p in (path, other)]
    for name in ("auc", "logloss"):
        expected = figures[0][name] - figures[1][name]
        assert row[f"{name}_difference"] == pytest.approx(expected, abs=1e-6)
        assert row[f"{name}_low"] < expected < row[f"{name}_high"]
    alike = next(r for (m, a), r in table.iterrows() if {m, a} == {"fm", "ffm"})
    words = [outcome_text(alike), outcome_text(row)]
    assert all(text.endswith("at one seed; training noise not included") for text in words)
    assert words[1].startswith("better in AUC")
    assert row["auc_rows"] > 0 and np.isnan(row["auc_seeds"])  # which one seed does not have
    assert "not included" in comparison_note(section_of(tmp_path / "runs"), table.reset_index())


def test_one_seed_without_its_rows(tmp_path: Path) -> None:
    for model, seed, auc in (("lr", 0, 0.7), ("fm", 0, 0.8), ("ffm", 1, 0.75)):
        make_run(tmp_path / "runs", model, seed, auc, logloss=1 - auc)
    table = compared(tmp_path)
    said = {(row["model"], row["against"]): outcome_text(row) for _, row in table.iterrows()}
    assert said["lr", "fm"].startswith("untested: the logits or labels")
    assert said["ffm", "lr"] == "untested: no common seed"
    shown = comparison_table(table)
    assert list(shown["AUC difference"][:1]) == ["-0.10000"] and "AUC p" not in shown


def with_seeds(folder: Path, count: int = 2000) -> None:
    """Three models of three seeds on the same rows, lr the worst of them."""
    rng = np.random.default_rng(2)
    true = rng.normal(size=count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-true))).astype(int)
    for model, size in {"lr": 1.5, "fm": 0.5, "ffm": 0.5}.items():
        lasting = rng.normal(size=count)
        for seed in range(3):
            logits = true + size * (lasting + rng.normal(size=count) / 4)
            figures = roc_auc_score(labels, logits), log_loss(labels, 1 / (1 + np.exp(-logits)))
            path = make_run(
                folder / "runs", model, seed, figures[0], logloss=figures[1], test_rows=count
            )
            write_scores(path, logits, labels)


def test_both_sources_of_noise_stand_in_the_table(tmp_path: Path) -> None:
    with_seeds(tmp_path)
    section = section_of(tmp_path / "runs")
    table = comparisons(section)
    assert set(table["test"]) == {"seeds and test rows"} and "standard errors" in comparison_note(
        section, table
    )
    for figure in ("auc", "logloss"):
        parts = table[[f"{figure}_seeds", f"{figure}_rows"]].to_numpy(float)
        half = (table[f"{figure}_high"] - table[f"{figure}_low"]) / 2
        assert (parts > 0).all() and (half > 1.96 * np.hypot(*parts.T)).all()
    shown = comparison_table(table).set_index(["model", "against"])
    assert shown.loc["FM", "LR"]["in words"] == "better in AUC and logloss"


def test_the_best_is_chosen_on_the_validation_rows(tmp_path: Path) -> None:
    """ffm has the higher test AUC, fm the lower validation loss."""
    for seed in range(3):
        for model, auc, loss in (("lr", 0.7, 0.5), ("fm", 0.75, 0.4), ("ffm", 0.76, 0.41)):
            noise = seed * len(model) / 1e4
            make_run(tmp_path / "runs", model, seed, auc + noise, logloss=loss, scored=True)
    section = section_of(tmp_path / "runs")
    assert reference(section) == "fm"
    table = comparisons(section).set_index(["model", "against"])
    assert set(table.index) == {("lr", "fm"), ("ffm", "fm"), ("fm", "lr"), ("ffm", "lr")}


@pytest.mark.parametrize("limit", [1, 50_000, 1 << 30])
def test_a_runs_rows_are_scored_once_where_memory_allows(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nine runs of 16,000 bytes; the figures are the same whatever is held."""
    with_seeds(tmp_path)
    section = section_of(tmp_path / "runs")
    scored: list[Path] = []

    def counted(self: PairedTests, run: Run) -> Any:
        scored.append(run.path)
        return score(self, run)

    score = PairedTests._score
    expected = comparisons(section)
    monkeypatch.setattr(PairedTests, "_score", counted)
    tests = PairedTests(section, limit)
    pd.testing.assert_frame_equal(comparisons(section, tests), expected)
    assert (len(scored) == 9) == (limit > 9 * 16_000)
    before = len(scored)
    comparisons(section, tests)
    assert len(scored) == before


@pytest.mark.parametrize("change", ["labels", "length", "gone"])
def test_other_rows_are_not_compared(change: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        for model in ("lr", "fm"):
            auc = 0.7 + seed * len(model) / 1e3
            path = make_run(tmp_path / "runs", model, seed, auc, scored=True)
    if change == "gone":
        (path / "logits.npy").unlink()
    else:
        rows = 7 if change == "labels" else 6
        write_scores(path, np.arange(rows), np.arange(7) < 3)
    row = comparisons(section_of(tmp_path / "runs")).iloc[0]
    assert outcome_text(row).startswith("untested: ")
    assert ("other test rows" in outcome_text(row)) == (change != "gone")
    assert row["auc_difference"] == row["auc_difference"] and np.isnan(row["auc_low"])


def test_one_model_alone(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr")
    assert compared(tmp_path).empty


@pytest.mark.parametrize(("best", "others"), [("lr", ["LR"]), ("fm", ["FM", "LR"])])
def test_the_note_names_each_reference_once(best: str, others: list[str], tmp_path: Path) -> None:
    for model in ("lr", "fm"):
        auc = 0.8 if model == best else 0.7
        make_run(tmp_path / "runs", model, auc=auc, logloss=1 - auc, scored=True)
    section = section_of(tmp_path / "runs")
    text, _, _ = comparison_note(section, comparisons(section)).partition("each model")
    assert re.findall(r" to (\w+)", text) == others
