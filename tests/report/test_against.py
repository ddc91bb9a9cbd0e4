"""Two reports beside each other, against scipy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made import add_predictions, make_run
from scipy import stats
from support import ctrbench

from ctrbench.report.against import WELCH, _read_side, compare
from ctrbench.report.judged.welch import welch


def test_welch() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(0.7, 0.01, 5), draw.normal(0.72, 0.03, 3)
    difference = welch((a.mean(), a.std(ddof=1), 5), (b.mean(), b.std(ddof=1), 3))
    expected = stats.ttest_ind(a, b, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((low, high))
    assert difference.p == pytest.approx(expected.pvalue)
    assert np.isnan(welch((0.7, np.nan, 1), (0.6, 0.1, 3)).p)
    assert welch((0.7, 0.0, 3), (0.7, 0.0, 3)).p == 1


def aucs(folder: Path, model: str, values: tuple[float, ...]) -> None:
    for seed, auc in enumerate(values):
        make_run(folder, model, seed, auc, logloss=1 - auc)


def test_runs_reports_and_files(tmp_path: Path) -> None:
    """Of runs without logits, and of a report's table: Welch's test of the seeds' means."""
    values = (0.70, 0.71, 0.705), (0.73, 0.735, 0.733, 0.731)
    for folder, of_lr in zip(("a", "b"), values, strict=True):
        aucs(tmp_path / folder, "lr", of_lr)
    aucs(tmp_path / "a", "fm", (0.8, 0.81))
    assert ctrbench("report", str(tmp_path / "b")).returncode == 0
    words = ["report", str(tmp_path / "a"), f"results={tmp_path}", "--against"]
    by_runs = ctrbench(*words, str(tmp_path / "b"))
    assert by_runs.returncode == 0, by_runs.stderr
    csv = tmp_path / "report" / "a-against-b" / "table.csv"
    (row,) = pd.read_csv(csv).to_dict("records")
    expected = stats.ttest_ind(*values, equal_var=False)
    assert row["model"] == "lr" and row["test"] == WELCH
    assert row["auc_difference"] == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert row["auc_p"] == pytest.approx(expected.pvalue)
    assert row["auc_low"] == pytest.approx(expected.confidence_interval(0.95).low)
    assert row["logloss_difference"] == pytest.approx(-row["auc_difference"])
    assert "1 of 1" in by_runs.stdout and "FM on planted" in by_runs.stdout
    by_report = ctrbench(*words, str(tmp_path / "b" / "report"))
    assert by_report.returncode == 0, by_report.stderr
    (again,) = pd.read_csv(csv.parent.parent / "a-against-report" / "table.csv").to_dict("records")
    assert again == pytest.approx(row, nan_ok=True)
    assert "Welch" in (csv.parent / "index.html").read_text()


def test_the_same_rows_are_paired(tmp_path: Path) -> None:
    """Of runs with logits of the same test rows; a side against itself differs in nothing."""
    for folder, shift in (("a", 0), ("b", 10)):
        for seed in (0, 1):
            add_predictions(make_run(tmp_path / folder, "lr", seed), seed=shift)
    here, against = (_read_side([tmp_path / folder]) for folder in ("a", "b"))
    (same,) = compare(here, here).to_dict("records")
    assert same["test"] == "seeds and test rows" and same["auc_difference"] == 0
    assert same["auc_p"] == same["logloss_p"] == 1
    (other,) = compare(here, against).to_dict("records")  # whose labels are others
    assert other["test"] == WELCH


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    aucs(tmp_path / "a", "lr", (0.7,))
    aucs(tmp_path / "b", "fm", (0.7,))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "table.csv").write_text("a,b\n1,2\n")
    for other in ("b", "c", "gone"):
        words = ["report", str(tmp_path / "a"), "--against", str(tmp_path / other)]
        done = ctrbench(*words, f"results={tmp_path}")
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert other in done.stderr
    assert not (tmp_path / "report").exists()
