"""Averages of seeds and of models, against scikit-learn and plain loops."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made import make_run, section_of, write_scores
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score
from support import ctrbench

from ctrbench.report.averages import averages_table
from ctrbench.report.judged.averages import GREEDY, averages, greedy_picks
from ctrbench.report.judged.paired import PairedTests

ROWS = 500
Numbers = np.ndarray[Any, np.dtype[Any]]


def scores(seed: int, noise: float, labels_N: Numbers) -> Numbers:
    draw = np.random.default_rng(seed)
    logits_N: Numbers = (labels_N - 0.5 + draw.normal(size=len(labels_N)) * noise).astype(
        np.float32
    )
    return logits_N


def make_runs(folder: Path, *, valid: bool = True) -> dict[str, list[Path]]:
    """Runs of two models with scores of the same rows."""
    draw = np.random.default_rng(9)
    test, validation = (draw.integers(0, 2, ROWS).astype(np.uint8) for _ in range(2))
    paths: dict[str, list[Path]] = {"lr": [], "fm": []}
    for m, model in enumerate(paths):
        for seed in (0, 1, 2):
            own = 10 * m + seed
            path = make_run(folder, model, seed, test_rows=ROWS)
            logits = scores(own, 1.5 + m, test)
            write_scores(path, logits, test)
            np.save(path / "valid_logits.npy", scores(own + 100, 1.5 + m, validation))
            np.save(path / "valid_labels.npy", np.packbits(validation))
            names = ["logits.npy", "labels.npy", "valid_logits.npy", "valid_labels.npy"]
            if not valid:
                (path / names.pop()).unlink()
                (path / names.pop()).unlink()
            result = json.loads((path / "result.json").read_text())
            result["metrics"]["test"] = {
                "auc": roc_auc_score(test, logits),
                "logloss": log_loss(test, expit(logits.astype(float))),
            }
            result["files"] = {
                name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in names
            }
            (path / "result.json").write_text(json.dumps(result))
            paths[model].append(path)
    return paths


def test_the_mean_of_seeds(tmp_path: Path) -> None:
    paths = make_runs(tmp_path)
    section = section_of(tmp_path)
    lr = averages(section, PairedTests(section))[0]
    logits_SN = np.stack([np.load(path / "logits.npy").astype(float) for path in paths["lr"]])
    labels_N = np.unpackbits(np.load(paths["lr"][0] / "labels.npy"), count=ROWS)
    mean_N = logits_SN.mean(axis=0)
    assert (lr.model, lr.members) == ("lr", {"lr": 3})
    assert lr.figures["auc"] == pytest.approx(roc_auc_score(labels_N, mean_N), abs=1e-6)
    assert lr.figures["logloss"] == pytest.approx(log_loss(labels_N, expit(mean_N)), abs=1e-6)
    single = np.mean([roc_auc_score(labels_N, logits_N) for logits_N in logits_SN])
    assert lr.gains["auc"].mean == pytest.approx(lr.figures["auc"] - single, abs=1e-6)
    # the interval of the logloss: of the mean of a difference of each row
    loss_N, *losses_SN = (np.logaddexp(0, x) - labels_N * x for x in (mean_N, *logits_SN))
    difference_N = loss_N - np.mean(losses_SN, axis=0)
    half = 1.959964 * difference_N.std(ddof=1) / np.sqrt(ROWS)
    gain = lr.gains["logloss"]
    assert gain.mean == pytest.approx(difference_N.mean(), abs=1e-6)
    assert (gain.high - gain.low) / 2 == pytest.approx(half, rel=1e-3)
    assert gain.mean < 0 < lr.gains["auc"].mean


def test_the_greedy_average() -> None:
    """As a loop over scikit-learn's logloss chooses."""
    draw = np.random.default_rng(1)
    labels_N = draw.integers(0, 2, 200)
    logits_CN = np.stack([scores(seed, 2.0, labels_N) for seed in range(5)]).astype(float)
    chosen: list[int] = []
    means = []
    for _ in range(6):
        losses = [log_loss(labels_N, expit(logits_CN[[*chosen, c]].mean(axis=0))) for c in range(5)]
        chosen.append(int(np.argmin(losses)))
        means.append(min(losses))
    picks = greedy_picks(logits_CN, labels_N, rounds=6)
    assert picks == chosen[: int(np.argmin(means)) + 1]
    assert greedy_picks(np.stack([labels_N * 20.0 - 10, logits_CN[0]]), labels_N) == [0]


def test_the_report(tmp_path: Path) -> None:
    make_runs(tmp_path / "with")
    section = section_of(tmp_path / "with")
    table = averages_table(section, PairedTests(section))
    assert table.folded and [row["runs"] for row in table.rows][:2] == ["3", "3"]
    greedy = table.numbers.iloc[-1]
    assert greedy["average"] == GREEDY and greedy["auc_gain"] > 0 and greedy["against"] == "lr"
    done = ctrbench("report", str(tmp_path / "with"))
    assert done.returncode == 0, done.stderr
    written = pd.read_csv(tmp_path / "with" / "report" / "averages.csv")
    assert written["auc"].tolist() == pytest.approx(table.numbers["auc"].tolist())
    # older runs keep no scores of validation rows
    make_runs(tmp_path / "without", valid=False)
    section = section_of(tmp_path / "without")
    table = averages_table(section, PairedTests(section))
    assert set(table.numbers["average"]) == {"lr", "fm"} and "0.3" in table.notes[-1]


def test_nothing_to_average(tmp_path: Path) -> None:
    """One seed, or no logits: no table."""
    make_run(tmp_path, "lr")
    make_run(tmp_path, "fm", 0)
    make_run(tmp_path, "fm", 1)
    section = section_of(tmp_path)
    assert not averages_table(section, PairedTests(section)).rows
