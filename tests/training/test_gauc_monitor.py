"""Weights that are selected by GAUC, or by a sum with it: by the metrics of the rows themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import Compose, ctrbench, run, run_directory, store_of

from ctrbench import metrics
from ctrbench.runs.opened import OpenedRun

PLANTED = ["data.group=C9", "data.rows=6000", "trainer.eval_every=4", "trainer.patience=100"]


def history(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("monitor", ["gauc", "auc+gauc", "{gauc: 2, logloss: -1}"])
def test_the_best_evaluation_is_kept(monitor: str, settings: Compose) -> None:
    own = settings("model=fm", "optimizer.lr=0.05", f"trainer.monitor={monitor}", *PLANTED)
    result = run(own)
    lines = history(run_directory(own).path)
    weights = {"gauc": {"gauc": 1}, "auc+gauc": {"auc": 1, "gauc": 1}}
    own_weights = weights.get(monitor, {"gauc": 2, "logloss": -1})
    sums = [sum(w * line[f"valid_{m}"] for m, w in own_weights.items()) for line in lines]
    best = lines[int(np.argmax(sums))]
    valid = result["metrics"]["valid"]
    assert valid["gauc"] == pytest.approx(best["valid_gauc"], abs=1e-12)
    assert valid["auc"] == best["valid_auc"]
    assert len({line["valid_gauc"] for line in lines}) > 3


def test_it_is_the_gauc_of_the_validation_rows(settings: Compose) -> None:
    own = settings("model=lr", "trainer.monitor=gauc", "trainer.epochs=1", *PLANTED[:2])
    run(own)
    store = store_of(own)
    part = store.part("valid")
    model = OpenedRun(run_directory(own).path).model

    with torch.no_grad():
        ids, values = torch.tensor(part.ids_NS), torch.tensor(part.values_NX)
        logits = model(ids, values).numpy()
    expected = metrics.gauc(logits, np.asarray(part.labels_N), part.groups_N)["gauc"]
    (line,) = history(run_directory(own).path)
    assert line["valid_gauc"] == pytest.approx(expected, abs=1e-9)


def test_without_it_nothing_more_is_computed(settings: Compose) -> None:
    own = settings("model=lr", "trainer.epochs=1", *PLANTED[:2])
    run(own)
    assert "valid_gauc" not in history(run_directory(own).path)[0]


def test_groups_are_asked_for(tmp_path: Path) -> None:
    words = ["train", "model=lr", "data=planted", "data.rows=2000", "trainer.monitor=auc+gauc"]
    done = ctrbench(*words, f"results={tmp_path}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "trainer.monitor=auc+gauc" in done.stderr and "data.group" in done.stderr
    rows = [f"{i % 3 % 2},u{i},{i % 5}" for i in range(300)]
    (tmp_path / "rows.csv").write_text("\n".join(["clicked,user,a", *rows]) + "\n")
    table = ["data=table", f"data.path={tmp_path}/rows.csv", "data.label=clicked"]
    own = ["data.group=user", "data.types=[user:category]", "data.exclude=[user]"]
    done = ctrbench(
        "train", "model=lr", *table, *own, "trainer.monitor=gauc", f"results={tmp_path}"
    )
    assert done.returncode == 1 and "has both labels" in done.stderr.splitlines()[-1]


def test_a_search_selects_by_it(tmp_path: Path) -> None:
    words = ["tune", "model=lr", "data=planted", "data.rows=2000", "data.group=C9", "trials=2"]
    own = ["trainer.monitor=auc+gauc", "trainer.epochs=1", f"results={tmp_path}", "threads=1"]
    done = ctrbench(*words, *own)
    assert done.returncode == 0, done.stderr
    assert "auc+gauc" in done.stderr + done.stdout
