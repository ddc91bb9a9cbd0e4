"""All runs as a table."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made import make_run

import ctrbench
from ctrbench.errors import UserError
from ctrbench.runs.frame import find_runs, frame


def test_a_row_a_run(tmp_path: Path) -> None:
    make_run(tmp_path, "lr", 0, 0.7)
    make_run(tmp_path, "fm", 1, 0.8, options={"embedding_dim": 4, "maps": [1, 2]})
    table = ctrbench.load_runs(tmp_path).set_index("model")
    assert list(table["metrics.test.auc"]) == [0.8, 0.7] and list(table["seed"]) == [1, 0]
    assert table.loc["fm", "model.embedding_dim"] == 4 and table.loc["fm", "model.maps"] == "[1, 2]"
    assert table["environment.threads"].eq(2).all() and table["state"].eq("finished").all()
    assert "optimizer.lr" not in table  # the same in all
    assert "optimizer.lr" in frame(find_runs([tmp_path]))


def test_the_group_is_all_but_the_seed(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(tmp_path, "lr", seed, environment={"threads": seed + 1})
    make_run(tmp_path, "lr", 0, options={"x": 1})
    make_run(tmp_path, "lr", 0, effects="others")
    groups = ctrbench.load_runs(tmp_path).groupby("group").size()
    assert sorted(groups) == [1, 1, 2]


RESULTS: dict[str, Any] = {
    "": "not the result of a run",
    "[]": "not the result of a run",
    '{"status": "ok", "identity": "x"}': "lacks seed",
    "\udcff": "not the result of a run",
}


@pytest.mark.parametrize("text", RESULTS)
def test_a_broken_result(text: str, tmp_path: Path) -> None:
    make_run(tmp_path, "lr")
    path = make_run(tmp_path, "fm") / "result.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    broken, good = (row for _, row in ctrbench.load_runs(tmp_path).iterrows())
    assert good["state"] == "finished" and broken["state"] == "broken"
    assert RESULTS[text] in broken["reason"]


def test_a_result_of_words(tmp_path: Path) -> None:
    path = make_run(tmp_path, "lr") / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | {"seconds_per_epoch": "2"}))
    assert "lacks seconds_per_epoch" in ctrbench.load_runs(tmp_path)["reason"][0]
    del result["settings"]
    path.write_text(json.dumps(result))
    assert "lacks settings.model.name" in ctrbench.load_runs(tmp_path)["reason"][0]


@pytest.mark.parametrize("text", ["", "a: [", "model: 3\ndata: 4\nsplit: 5", "\udcff", None])
@pytest.mark.parametrize("finished", [True, False])
def test_a_broken_config(text: str | None, finished: bool, tmp_path: Path) -> None:
    path = make_run(tmp_path, "lr") / "config.yaml"
    if not finished:
        (path.parent / "result.json").rename(path.parent / "history.jsonl")
    path.unlink()
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    (row,) = (row for _, row in ctrbench.load_runs(tmp_path).iterrows())
    if text is None and not finished:
        assert row["state"] == "unfinished"
    else:
        assert row["state"] == "broken" and "config.yaml" in row["reason"]


def test_unfinished_and_failed(tmp_path: Path) -> None:
    begun, failed = make_run(tmp_path, "lr"), make_run(tmp_path, "fm")
    for path in (begun, failed):
        (path / "result.json").unlink()
    said = {"what": "training", "when": "noon", "message": "the loss is nan"}
    (failed / "failed.json").write_text(json.dumps(said))
    table = ctrbench.load_runs(tmp_path).set_index("model")
    assert table["state"].to_dict() == {"lr": "unfinished", "fm": "failed"}
    assert table.loc["fm", "reason"] == "the loss is nan (noon)"
    (failed / "failed.json").write_text("{}")
    table = ctrbench.load_runs(tmp_path).set_index("model")
    assert table.loc["fm", "state"] == "broken" and "failed.json" in table.loc["fm", "reason"]


def test_where_runs_are_found(tmp_path: Path) -> None:
    path = make_run(tmp_path / "runs", "lr")
    assert len(find_runs([tmp_path, tmp_path / "runs"])) == 1
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("seed: 0\nmodel: lr\n")  # not of a run
    assert find_runs([tmp_path]) == [path]
    with pytest.raises(UserError, match=r"conf: no run here"):
        find_runs([tmp_path / "conf"])
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        find_runs([tmp_path / "nowhere"])
    assert frame([tmp_path / "nowhere"])["reason"][0] == "not begun"


def test_moved_and_copied(tmp_path: Path) -> None:
    """What a run says does not depend on where it lies."""
    path = make_run(tmp_path / "runs", "lr")
    shutil.copytree(path, tmp_path / "copy" / "deep" / "down")
    one, two = (row for _, row in ctrbench.load_runs(tmp_path).drop(columns="path").iterrows())
    assert one.equals(two)


def test_nothing_heavy_before_the_work() -> None:
    code = (
        "import sys, ctrbench, ctrbench.runs;"
        "print({'torch', 'polars', 'pandas', 'scipy', 'jinja2'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_option_that_is_left_out_as_neutral_has_its_value(tmp_path: Path) -> None:
    classes = {"data": "planted", "model": "deep"}
    make_run(tmp_path, "dnn", classes=classes)
    make_run(tmp_path, "dnn", classes=classes, options={"init_network": "glorot_normal"})
    table = frame(find_runs([tmp_path]))
    assert sorted(table["model.init_network"]) == ["glorot_normal", "glorot_uniform"]
    assert table["trainer.ema"].isna().all()
    assert set(table["trainer.schedule.name"]) == {"constant"}


@pytest.mark.parametrize("models", [["fm"], ["fm", "lr"]])
def test_columns_that_every_table_has(models: list[str], tmp_path: Path) -> None:
    """With one model, one data set and one seed too, and of runs without a result."""
    tables = []
    for folder in ("finished", "failed"):
        for model in models:
            path = make_run(tmp_path / folder, model)
            if folder == "failed":
                (path / "result.json").unlink()
                (path / "failed.json").write_text('{"message": "nan", "when": "noon"}')
        tables.append(ctrbench.load_runs(tmp_path / folder))
    for table in tables:
        assert {"path", "model", "data", "seed", "status", "metrics.test.auc"} <= set(table.columns)
        assert {"metrics.valid.logloss", "seconds.train", "seconds_per_epoch"} <= set(table.columns)
        assert sorted(table["model"]) == models and set(table["data"]) == {"planted"}
    means = tables[0].groupby("model")["metrics.test.auc"].agg(["mean", "std"])
    assert list(means.index) == models and means["mean"].eq(0.7).all()
    both = pd.concat(tables, ignore_index=True)
    assert sorted(both["status"]) == ["failed"] * len(models) + ["finished"] * len(models)
    assert both["path"].nunique() == 2 * len(models)


def test_old_name_of_load_runs_warns(tmp_path: Path) -> None:
    """``ctrbench.runs(...)`` still works for one release."""
    make_run(tmp_path, "fm")
    with pytest.warns(FutureWarning, match="load_runs"):
        old = ctrbench.runs(tmp_path)  # type: ignore[operator]
    assert old.equals(ctrbench.load_runs(tmp_path))
