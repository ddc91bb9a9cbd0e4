"""Training from Python: keywords, data frames, and what a run shows."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import ctrbench
from ctrbench.errors import UserError

DRAW = np.random.default_rng(0)
ROWS = {"shop": [f"s{i}" for i in DRAW.integers(6, size=400)], "price": DRAW.normal(size=400)}
ROWS["clicked"] = DRAW.integers(2, size=400)
SMALL: dict[str, Any] = {"trainer__epochs": 1, "threads": 1, "device": "cpu"}


def test_keywords_are_overrides(tmp_path: Path) -> None:
    """Of every kind of value; the run is that of the same words."""
    words = ["model=dnn", "data=planted", "data.rows=2000", "trainer.epochs=1", "threads=1"]
    more = ["model.hidden=[8,4]", "data.exclude=[C1,C2]", "model.batch_norm=true", "device=cpu"]
    expected = ctrbench.train(*words, *more, "trainer.ema=null", f"results={tmp_path}")
    own: dict[str, Any] = {"data__rows": 2000, "model__hidden": [8, 4], "trainer__ema": None}
    own |= {"data__exclude": ("C1", "C2"), "model__batch_norm": True, "results": str(tmp_path)}
    run = ctrbench.train(model="dnn", data="planted", **own, **SMALL)
    assert run.path == expected.path


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pl.LazyFrame])
def test_a_frame_is_a_data_set(kind: Any, tmp_path: Path) -> None:
    """The same values are the same run, whose predictions take such frames."""
    own = {"label": "clicked", "results": str(tmp_path), "model": "fm"} | SMALL
    run = ctrbench.train(data=kind(ROWS), **own)
    again = ctrbench.train(data=pl.DataFrame(ROWS), **own)
    assert run.path == again.path and len(list((tmp_path / "frames").iterdir())) == 1
    assert len(run.predictions(pd.DataFrame(ROWS))) == 400
    assert set(run.metrics) == {"valid", "test"} and run.metrics["test"]["auc"] > 0


def test_what_a_run_shows(tmp_path: Path) -> None:
    run = ctrbench.train("model=lr", "data=planted", data__rows=2000, results=tmp_path, **SMALL)
    auc = f"{run.metrics['test']['auc']:.5f}".rstrip("0")
    for text in (repr(run), run._repr_html_()):
        assert "lr" in text and "planted" in text and auc in text and str(run.path) in text
    assert "<table" in run._repr_html_()
    first, second = run.plot_history().axes
    assert len(first.lines) == 2 and len(second.lines) == 1
    np.testing.assert_array_equal(second.lines[0].get_ydata(), run.history["valid_auc"])


def test_the_short_view(tmp_path: Path) -> None:
    for dropout in (0.0, 0.5):
        own = {"model": "dnn", "model__dropout": dropout, "results": tmp_path} | SMALL
        ctrbench.train(data="planted", data__rows=2000, **own)
    short, full = (ctrbench.load_runs(tmp_path, short=short) for short in (True, False))
    assert list(short)[:5] == ["model", "data", "seed", "status", "model.dropout"]
    assert len(short.columns) < 12 < len(full.columns) and set(short) <= set(full)


def test_mistakes(tmp_path: Path) -> None:
    results = str(tmp_path)
    for own, text in (
        ({"data": {"a": [1]}, "label": "a"}, "rows of type dict"),
        ({"data": pl.DataFrame(ROWS)}, "data.label"),
        ({"model": object()}, "model: a value of type object"),
        ({"model": "fm", "epochs": 2}, "epochs"),
        ({"config_dir": tmp_path / "none"}, "no such folder"),
    ):
        with pytest.raises(UserError, match=text) as error:
            ctrbench.train(results=results, **own)
        assert "\n" not in str(error.value)


PLANTED: dict[str, Any] = {"data": "planted", "data__rows": 2000}


def test_a_sweep_and_its_report(tmp_path: Path) -> None:
    own = PLANTED | SMALL | {"results": str(tmp_path)}
    swept = ctrbench.sweep("seed=0,1", model=["lr", "fm"], **own)
    assert sorted(run.config["model"]["name"] for run in swept.runs) == ["fm", "fm", "lr", "lr"]
    assert len(swept.table) == 4 and "lr" in repr(swept) and "<table" in swept._repr_html_()
    written = ctrbench.report(results=tmp_path, name="mine")
    assert written.folder == tmp_path / "report/mine"
    assert set(written.table["model"]) == {"lr", "fm"} and "runs" in written.table
    assert "index.html" in written._repr_html_() and "# All runs" in repr(written)


def test_a_search(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    own = PLANTED | SMALL | {"results": str(tmp_path)}
    found = ctrbench.tune("search.optimizer.lr=0.01,0.1", model="lr", trials=2, **own)
    assert len(found.table) == 2 and found.text and "<table" in found._repr_html_()


@pytest.mark.parametrize("first", ["ctrbench.sweep.jobs", "ctrbench.report.tables", "ctrbench"])
def test_packages_are_functions_too(first: str) -> None:
    """Whatever was imported before, and with nothing heavy imported before its use."""
    text = (
        f"import sys, ctrbench; heavy = 'pandas' in sys.modules; import {first}\n"
        "print(heavy, *(callable(f) for f in (ctrbench.sweep, ctrbench.tune, ctrbench.report)))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True", "True", "True"], done.stderr
