"""The run contract: identity and history."""

import hashlib
import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score
from support import (
    ENCODINGS,
    FEW,
    OFTEN,
    REAL,
    Compose,
    ctrbench,
    needs_real_rows,
    run,
    run_directory,
    small,
    store_of,
)

from ctrbench import machine
from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batches
from ctrbench.errors import UserError
from ctrbench.metrics import score
from ctrbench.models import registry
from ctrbench.models.properties import DECLARATIONS
from ctrbench.runs.interface import Run

NAMES = registry.names()


def from_saved_weights(own: RunSettings) -> tuple[torch.Tensor, dict[str, float]]:
    """Logits and figures of the test rows by the weights that the run kept."""
    store = store_of(own)
    model = registry.build(store.schema, own.model)
    model.load_state_dict(load_file(run_directory(own).weights), strict=True)
    test = Batches(store.part("test"), 1, torch.device("cpu"))
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(*rows) for rows in test.pieces(1000)])
    return logits, score(logits.numpy(), test.labels_N.numpy())


@pytest.mark.parametrize("name", NAMES)
def test_a_finished_run(name: str, shared: Compose, folder: Path) -> None:
    """Its files, its figures from its own weights, and that it is not run again."""
    own = shared(*small(name), ENCODINGS, *OFTEN)
    result = run(own)
    directory = run_directory(own)
    assert directory.path.relative_to(folder).parts[:3] == ("runs", "planted", name)
    assert set(os.listdir(directory.path)) == {
        "config.yaml",
        "encoder",
        "history.jsonl",
        "model.safetensors",
        "logits.npy",
        "labels.npy",
        "valid_logits.npy",
        "valid_labels.npy",
        "result.json",
    }
    lines = [
        json.loads(line) for line in (directory.path / "history.jsonl").read_text().splitlines()
    ]
    best = min(lines, key=lambda line: line["valid_logloss"])
    assert result["best_epoch"] == best["epoch"] and len(lines) == 6
    assert result["metrics"]["valid"]["auc"] == best["valid_auc"]

    opened = Run(directory.path)
    valid_labels, valid_logits = opened.valid_labels, opened.valid_logits
    assert np.array_equal(valid_labels, store_of(own).part("valid").labels_N)
    assert roc_auc_score(valid_labels, valid_logits) == pytest.approx(best["valid_auc"], abs=1e-6)

    logits, figures = from_saved_weights(own)
    assert result["metrics"]["test"]["auc"] == pytest.approx(figures["auc"], abs=1e-6)
    kept = np.load(directory.logits)
    assert kept.dtype == np.float32
    np.testing.assert_allclose(kept, logits, atol=1e-5)
    assert result["metrics"]["test"]["excess_logloss"] == pytest.approx(
        figures["logloss"] - result["metrics"]["test"]["best_logloss"], abs=1e-6
    )

    before = directory.weights.stat().st_mtime_ns
    assert run(own) == result
    assert directory.weights.stat().st_mtime_ns == before


def test_digests_and_modes(shared: Compose) -> None:
    """``result.json`` says what the bytes of weights, logits and test labels are."""
    own = shared(*small("lr"), ENCODINGS, *OFTEN)
    result, directory = run(own), run_directory(own)
    for path in (directory.weights, directory.logits, directory.labels, directory.history):
        assert result["files"][path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.stat().st_mode == directory.config.stat().st_mode
    labels = store_of(own).part("test").labels_N
    assert set(np.unique(labels)) == {0, 1}
    digest = hashlib.sha256(bytes(labels.tolist())).hexdigest()
    assert result["dataset"]["test_labels_sha256"] == digest


def test_identity(shared: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides the result is in it, the version of a model's formula too, and nothing else."""
    base = run_directory(shared()).path
    assert run_directory(shared("seed=1")).path != base
    assert run_directory(shared("split.seed=1")).path != base
    assert run_directory(shared("optimizer.lr=0.1")).path != base
    assert run_directory(shared(f"results={tmp_path}/elsewhere")).path.name == base.name
    assert run_directory(shared("experiment=table2")).path == base
    assert run_directory(shared("threads=2", "rows_in=disk")).path == base
    fm, ffm = (run_directory(shared(*small(name))).path for name in ("fm", "ffm"))
    models = DECLARATIONS.entries()
    raised = replace(models["fm"], version=models["fm"].version + 1)
    monkeypatch.setitem(models, "fm", raised)
    assert run_directory(shared(*small("fm"))).path != fm
    assert run_directory(shared(*small("ffm"))).path == ffm


def test_runs_of_different_seeds_share_their_rows(shared: Compose) -> None:
    stores = [store_of(own).folder for own in (shared("seed=0"), shared("seed=1"))]
    assert stores[0] == stores[1]


@pytest.mark.parametrize(
    ("model", "key", "advice"),
    [
        ("fm", "optimizer.lr", "lower optimizer.lr"),
        ("wide_deep", "optimizer.deep.lr", "lower optimizer.wide.lr or optimizer.deep.lr"),
    ],
)
def test_a_loss_that_is_not_finite(model: str, key: str, advice: str, shared: Compose) -> None:
    own = shared(f"model={model}", f"{key}=1e30")
    told = rf"the \w+ \w+ is \S+ (at|after) step \d+ \(epoch 1\); {re.escape(advice)}$"
    with pytest.raises(UserError, match=told):
        run(own)
    assert not (run_directory(own).path / "result.json").exists()


def test_values_of_any_size_are_named_where_the_loss_is_not_finite(
    settings: Compose, tmp_path: Path
) -> None:
    """And the remedy that is named is one."""
    rng, path = np.random.default_rng(0), tmp_path / "rows.csv"
    rows = [f"{rng.integers(2)},{rng.random() * 1e308:.6g},{rng.integers(4)}" for _ in range(200)]
    path.write_text("\n".join(["y,x,c", *rows]) + "\n")
    words = ["model=fm", "data=table", f"data.path={path}", "data.label=y", "trainer.epochs=1"]
    with pytest.raises(UserError, match=r"field x has values up to .*; use ") as caught:
        run(settings(*words, "data.numeric=unscaled"))
    (remedy,) = shlex.split(str(caught.value).rpartition("; use ")[2])
    run(settings(*words, "data.numeric=unscaled", remedy))


def test_a_run_worse_than_the_mean_click_rate_says_so(tmp_path: Path) -> None:
    words = ["model=fm", "data.rows=2000", "tuned=none", "trainer.epochs=1", f"results={tmp_path}"]
    done = ctrbench("train", *words, "optimizer.lr=1e6")
    assert done.returncode == 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("worse than predicting the mean click rate")
    assert last.endswith("lower optimizer.lr")
    report = ctrbench("report", str(tmp_path), f"results={tmp_path}")
    assert "FM: 1 of 1 runs are worse than predicting the mean click rate" in report.stdout


def test_early_stopping_keeps_the_best(shared: Compose) -> None:
    own = shared("model=fm", "optimizer.lr=0.05", "trainer.epochs=30", "trainer.patience=2")
    result = run(own)
    history = (run_directory(own).path / "history.jsonl").read_text()
    lines = [json.loads(line) for line in history.splitlines()]
    assert len(lines) == result["epochs"] == result["best_epoch"] + 2 < 30
    assert result["metrics"]["valid"]["logloss"] == min(line["valid_logloss"] for line in lines)
    _, figures = from_saved_weights(own)
    assert result["metrics"]["test"]["auc"] == pytest.approx(figures["auc"], abs=1e-6)


def test_threads_and_memory_are_of_this_run_alone(shared: Compose) -> None:
    """An earlier run's threads and its peak of memory are not the next one's."""
    first = run(shared("model=lr", "threads=2", "seed=7"))
    large = np.ones(40_000_000)  # 320 MB
    held = machine.peak_memory(torch.device("cpu"))
    del large
    second = run(shared("model=lr", "threads=null", "seed=8"))
    assert first["environment"]["threads"] == 2
    assert second["environment"]["threads"] == machine.first_threads()
    torch.set_num_threads(1)
    if Path("/proc/self/clear_refs").exists():
        assert second["peak_memory_bytes"] < held - 200e6


@pytest.mark.parametrize("name", ["fm", "fnn", "wide_deep"])
def test_a_model_larger_than_the_memory(name: str, settings: Compose, tmp_path: Path) -> None:
    for dim in (10**9, 10**19):
        own = settings(*small(name), f"model.embedding_dim={dim}")
        with pytest.raises(UserError, match=rf"model={name}: .* take [\d,.]+ GB .* are free; make"):
            run(own)
    assert {path.name for path in tmp_path.glob("runs/*/*/*/*")} <= {"failed.json"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_run_on_a_gpu(device: str, settings: Compose) -> None:
    result = run(settings(*small("deepfm"), f"device={device}"))
    assert result["environment"]["device"] == torch.cuda.get_device_name(0)
    assert result["metrics"]["test"]["auc"] > 0.5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu(shared: Compose) -> None:
    with pytest.raises(UserError, match="no GPU"):
        run(shared("device=cuda"))


@needs_real_rows
@pytest.mark.parametrize("name", FEW)
def test_real_rows(name: str, shared: Compose) -> None:
    path = REAL / "criteo" / "train-first-10000.txt.xz"
    result = run(shared(*small(name), "data=criteo", f"data.path={path}", "trainer.epochs=4"))
    assert result["metrics"]["test"]["auc"] > 0.6
