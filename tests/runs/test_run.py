"""The run contract: identity, history, kill and resume, byte-equal weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support import REAL, Compose, needs_real_rows, run, run_directory, small, store_of

from ctrbench.data.batches import Batches
from ctrbench.errors import UserError
from ctrbench.metrics import score
from ctrbench.models import registry
from ctrbench.runs.settings import RunSettings

NAMES = registry.names()


def from_saved_weights(own: RunSettings) -> tuple[torch.Tensor, dict[str, float]]:
    """Logits and figures of the test rows by the weights that the run kept."""
    store = store_of(own)
    model = registry.build(store.schema, own.model)
    model.load_state_dict(load_file(run_directory(own).weights), strict=True)
    test = Batches(store.part("test"), 1, torch.device("cpu"))
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(*rows) for rows in test.in_order(1000)])
    return logits, score(logits, test.labels_N)


@pytest.mark.parametrize("name", NAMES)
def test_a_finished_run(name: str, settings: Compose) -> None:
    """Its files, its figures from its own weights, and that it is not run again."""
    own = settings(*small(name), "predictions=true")
    result = run(own)
    directory = run_directory(own)
    assert directory.path.relative_to(own.results).parts[:3] == ("runs", "planted", name)
    assert set(os.listdir(directory.path)) == {
        "config.yaml",
        "history.jsonl",
        "checkpoint.pt",
        "model.safetensors",
        "predictions.npy",
        "result.json",
    }
    lines = [
        json.loads(line) for line in (directory.path / "history.jsonl").read_text().splitlines()
    ]
    best = min(lines, key=lambda line: line["valid_logloss"])
    assert result["best_epoch"] == best["epoch"] and len(lines) == 2
    assert result["metrics"]["valid"]["auc"] == best["valid_auc"]

    logits, figures = from_saved_weights(own)
    assert result["metrics"]["test"]["auc"] == pytest.approx(figures["auc"], abs=1e-6)
    np.testing.assert_allclose(np.load(directory.predictions), logits.sigmoid(), atol=1e-6)
    assert result["metrics"]["test"]["excess_logloss"] == pytest.approx(
        figures["logloss"] - result["metrics"]["test"]["best_logloss"], abs=1e-6
    )

    before = directory.checkpoint.stat().st_mtime_ns
    assert run(own) == result
    assert directory.checkpoint.stat().st_mtime_ns == before


def test_identity(settings: Compose, tmp_path: Path) -> None:
    base = run_directory(settings()).path
    assert run_directory(settings("seed=1")).path != base
    assert run_directory(settings("split.seed=1")).path != base
    assert run_directory(settings("optimizer.lr=0.1")).path != base
    assert run_directory(settings(f"results={tmp_path}/elsewhere")).path.name == base.name
    assert run_directory(settings("experiment=table2")).path == base


def test_runs_of_different_seeds_share_their_rows(settings: Compose) -> None:
    stores = [store_of(own).folder for own in (settings("seed=0"), settings("seed=1"))]
    assert stores[0] == stores[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name: str, settings: Compose, tmp_path: Path) -> None:
    encodings = "data.encodings=[I1:quantile,I2:value]"
    weights = []
    for folder in "ab":
        own = settings(*small(name), encodings, f"results={tmp_path / folder}")
        run(own)
        weights.append(run_directory(own).weights.read_bytes())
    assert weights[0] == weights[1]


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("name", NAMES)
def test_resumed_from_the_middle_of_an_epoch(
    name: str, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctrbench.runs import record as records

    own = [*small(name), "trainer.eval_every=3", "trainer.epochs=3", "trainer.patience=100"]
    whole = settings(*own, f"results={tmp_path}/whole")
    run(whole)
    parts = settings(*own, f"results={tmp_path}/parts")
    write = records.RunDirectory.write_history

    def write_and_die(self: Any, history: list[dict[str, Any]]) -> None:
        write(self, history)
        if len(history) == 4:
            raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(records.RunDirectory, "write_history", write_and_die)
        run(parts)
    run(parts)
    assert _bytes(whole, "model.safetensors") == _bytes(parts, "model.safetensors")
    assert _history(whole) == _history(parts)


def _bytes(own: Any, name: str) -> bytes:
    return (run_directory(own).path / name).read_bytes()


def _history(own: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in _bytes(own, "history.jsonl").splitlines()]
    return [{k: v for k, v in line.items() if k != "train_seconds"} for line in lines]


def test_a_killed_process_goes_on(settings: Compose, tmp_path: Path) -> None:
    """SIGKILL at several moments, preparation included; the last start finishes."""
    own = [
        *small("deepfm"),
        "data.rows=20000",
        "data.vocabulary=50",
        "threads=1",
        "trainer.batch_size=256",
        "trainer.epochs=4",
        "trainer.eval_every=20",
        "trainer.patience=100",
    ]
    done = tmp_path / "killed"
    command = [sys.executable, "-m", "ctrbench", "train", *own, f"results={done}"]
    for wanted in (
        "stores/*/*.partial/slice*",
        "runs/*/*/*/config.yaml",
        "runs/*/*/*/checkpoint.pt",
        "runs/*/*/*/history.jsonl",
    ):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while process.poll() is None and not list(done.glob(wanted)):
                assert time.monotonic() < deadline, wanted
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert not list(done.glob("runs/*/*/*/result.json"))
    subprocess.run(command, check=True, capture_output=True)
    whole = settings(*own[2:], *own[:2], f"results={tmp_path}/whole")
    run(whole)
    assert (
        _bytes(whole, "model.safetensors")
        == next(done.glob("runs/*/*/*/*.safetensors")).read_bytes()
    )


def test_a_loss_that_is_not_finite(settings: Compose) -> None:
    own = settings("model=fm", "optimizer.lr=1e30")
    with pytest.raises(UserError, match=r"training loss is \S+ at step \d+ .* lower optimizer\.lr"):
        run(own)
    assert not (run_directory(own).path / "result.json").exists()


def test_early_stopping_keeps_the_best(settings: Compose) -> None:
    own = settings("model=fm", "optimizer.lr=0.05", "trainer.epochs=30", "trainer.patience=2")
    result = run(own)
    lines = _history(own)
    assert len(lines) == result["epochs"] == result["best_epoch"] + 2 < 30
    assert result["metrics"]["valid"]["logloss"] == min(line["valid_logloss"] for line in lines)
    _, figures = from_saved_weights(own)
    assert result["metrics"]["test"]["auc"] == pytest.approx(figures["auc"], abs=1e-6)


def test_bf16(settings: Compose) -> None:
    assert run(settings("precision=bf16", *small("deepfm")))["environment"]["precision"] == "bf16"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu(settings: Compose) -> None:
    with pytest.raises(UserError, match="no GPU"):
        run(settings("device=cuda"))


@needs_real_rows
@pytest.mark.parametrize("name", NAMES)
def test_real_rows(name: str, settings: Compose) -> None:
    path = REAL / "criteo" / "train-first-10000.txt.xz"
    result = run(settings(*small(name), "data=criteo", f"data.path={path}", "trainer.epochs=8"))
    assert result["metrics"]["test"]["auc"] > 0.6
