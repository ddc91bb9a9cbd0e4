"""Tables from run directories, with hand-made results."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrbench.errors import UserError
from ctrbench.paper import CRITEO_ROWS
from ctrbench.report import find_runs, write_report


def make_run(folder: Path, model: str, data: str, seed: int, auc: float, test_rows: int) -> None:
    path = folder / f"{model}-{seed}-{auc}"
    path.mkdir(parents=True)
    config = {"model": {"name": model}, "optimizer": {"lr": 0.1}, "seed": seed, "results": "x"}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    result: dict[str, Any] = {
        "status": "ok",
        "identity": path.name,
        "model": model,
        "data": data,
        "seed": seed,
        "metrics": {"test": {"auc": auc, "logloss": 0.45}},
        "seconds_per_epoch": {"lr": 2.0, "fm": 5.0}[model],
        "environment": {"device": "cpu", "threads": 2, "precision": "fp32", "torch": "2"},
        "dataset": {
            "content": "c",
            "fields": 39,
            "features": 10,
            "rows": {"train": 10, "valid": 5, "test": test_rows},
        },
    }
    (path / "result.json").write_text(json.dumps(result))


def test_mean_deviation_and_time(tmp_path: Path) -> None:
    for seed, auc in enumerate([0.7, 0.72, 0.74]):
        make_run(tmp_path / "runs", "lr", "criteo", seed, auc, 7)
    make_run(tmp_path / "runs", "fm", "criteo", 0, 0.8, 7)
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    lr, fm = (line for line in text.splitlines() if line.startswith(("| lr", "| fm")))
    assert "0.72000 ± 0.02000" in lr and "| 1.00 " in lr and "| 2.50 " in fm
    assert "0.7686 / 0.47762" in lr and "0.7804 / 0.46782" in lr  # arXiv, IJCAI
    assert "22 rows" in text and "cannot be compared" in text


def test_all_of_criteo_needs_no_warning(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr", "criteo", 0, 0.7, CRITEO_ROWS - 15)
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    assert "cannot be compared" not in text


def test_not_a_result(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match="not the result of a run"):
        write_report(find_runs([tmp_path]), tmp_path / "report", "T")
