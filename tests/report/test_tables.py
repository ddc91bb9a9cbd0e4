"""Tables from run directories, with hand-made results."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ctrbench.errors import UserError
from ctrbench.report.paper import CRITEO_ROWS
from ctrbench.report.tables import write_report
from ctrbench.runs.frame import find_runs


def make_run(
    folder: Path,
    model: str,
    data: str,
    seed: int,
    auc: float,
    test_rows: int,
    effects: str = "whole",
    threads: int = 2,
    **options: Any,
) -> None:
    path = folder / f"{model}-{seed}-{auc}-{effects}-{threads}"
    path.mkdir(parents=True)
    config = {
        "model": {"name": model} | options,
        "data": {"effects": effects},
        "optimizer": {"lr": 0.1},
        "split": {"kind": "random", "fractions": [0.8, 0.1, 0.1]},
        "trainer": {"batch_size": 64},
        "seed": seed,
        "results": "x",
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    result: dict[str, Any] = {
        "status": "ok",
        "identity": path.name,
        "model": model,
        "data": data,
        "seed": seed,
        "metrics": {"test": {"auc": auc, "logloss": 0.45}},
        "seconds_per_epoch": {"lr": 2.0, "fm": 5.0, "fnn": 8.0}.get(model, 1.0),
        "pretrain_seconds_per_epoch": 5.0 if model == "fnn" else None,
        "environment": {"device": "cpu", "threads": threads, "precision": "fp32", "torch": "2"},
        "dataset": {
            "content": effects,
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


def test_times_are_compared_on_one_machine(tmp_path: Path) -> None:
    """Each row to the LR of the same device, threads and batch size."""
    for model, threads in (("lr", 1), ("lr", 2), ("fm", 2), ("fnn", 4)):
        make_run(tmp_path / "runs", model, "planted", 0, 0.7, 7, threads=threads)
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    (fm,) = (line for line in text.splitlines() if line.startswith("| fm "))
    (fnn,) = (line for line in text.splitlines() if line.startswith("| fnn "))
    assert "| 2.50 " in fm and fnn.split("|")[-2].strip() == "-"
    for threads in (1, 2, 4):
        assert f"cpu, threads: {threads}, fp32" in text
    assert "split 0.8:0.1:0.1, random" in text and "| 64 " in fm


def test_an_ablation_of_a_stage_is_named_by_it_alone(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "fnn", "planted", 0, 0.7, 7, pretrain=False)
    make_run(tmp_path / "runs", "fnn", "planted", 0, 0.8, 7, pretrain=True)
    for path in tmp_path.glob("runs/fnn-0-0.8*/config.yaml"):
        path.write_text(path.read_text() + "pretraining: {optimizer: {lr: 1}, run: null}\n")
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    settings = [line.split("|")[3].strip() for line in text.splitlines() if "| fnn " in line]
    assert settings == ["model.pretrain=False", "model.pretrain=True"]


def test_a_stage_has_its_own_time_and_dropout_is_shown_as_keeping(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "fnn", "planted", 0, 0.8, 7, dropout=0.4)
    make_run(tmp_path / "runs", "lr", "planted", 0, 0.7, 7)
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    lr, fnn = (line for line in text.splitlines() if line.startswith(("| lr", "| fnn")))
    cells = [cell.strip() for cell in fnn.split("|")]
    assert "8.00 + 5.00" in cells and "4.00 + 2.50" in cells and "0.6" in cells
    assert "| - " in lr and "FM that it starts from" in text


def test_a_pivot_has_a_column_for_each_setting(tmp_path: Path) -> None:
    for model in ("fm", "lr"):
        for effects, auc in (("one", 0.6), ("two", 0.7)):
            for seed in (0, 1):
                auc += seed * (model == "fm") / 10
                make_run(tmp_path / "runs", model, "planted", seed, auc, 7, effects)
    pivot = {"columns": "data.effects", "value": "auc"}
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T", pivot)
    lines = text.splitlines()
    assert lines[2] == "Test auc by data.effects:"
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:8]]
    assert table[0] == ["model", "one", "two"]
    assert table[2] == ["lr", "0.60000 ± 0.00000", "0.70000 ± 0.00000"]
    assert table[3] == ["fm", "0.65000 ± 0.07071", "0.75000 ± 0.07071"]
    assert "## planted, data.effects=one" in lines


def test_rows_stand_in_the_papers_order(tmp_path: Path) -> None:
    """That of the registry; a model that it does not know stands last."""
    for model in ("fnn", "unknown", "lr", "fm"):
        make_run(tmp_path / "runs", model, "planted", 0, 0.7, 7)
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert rows == ["model", "lr", "fm", "fnn", "unknown"]


def test_all_of_criteo_needs_no_warning(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr", "criteo", 0, 0.7, CRITEO_ROWS - 15)
    text = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report", "T")
    assert "cannot be compared" not in text


def test_a_run_found_twice_counts_once(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "lr", "planted", 0, 0.7, 7)
    assert len(find_runs([tmp_path, tmp_path / "runs"])) == 1


def test_not_a_result(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match="not the result of a run"):
        write_report(find_runs([tmp_path]), tmp_path / "report", "T")
