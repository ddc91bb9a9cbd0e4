"""Hydra's launchers: runs in other processes, each with its share of the machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.launchers import PACKAGES, needs
from hydra.errors import MissingConfigException
from support import ctrbench

from ctrbench.config.explain import explain_error
from ctrbench.sweep.folder import descendants, is_alive, usable_cores

SMALL = ["data.rows=2000", "data.vocabulary=30", "trainer.epochs=1", "model.hidden=[8]"]


@pytest.mark.parametrize("launcher", PACKAGES)
def test_a_sweep_in_processes(launcher: str, tmp_path: Path) -> None:
    needs(launcher)
    words = ["-m", "model=lr_dnn", "optimizer.lr=0.01,1e30", *SMALL, f"results={tmp_path}"]
    done = ctrbench("train", *words, f"hydra/launcher={launcher}")
    assert done.returncode == 1, done.stderr
    lines = done.stderr.splitlines()
    assert lines[-2] == "ctrbench: 1 of the sweep's jobs failed:"
    assert lines[-1].startswith("  optimizer.lr=1e+30: lr_dnn on planted, seed 0: the ")
    assert any(line.startswith("runs: 1 of 2 done, 1 failed") for line in lines)
    (path,) = tmp_path.glob("runs/*/*/*/result.json")
    assert json.loads(path.read_text())["environment"]["threads"] == max(1, usable_cores() // 2)
    logs = [path.read_text() for path in sorted(tmp_path.glob("multirun/*/job-*.log"))]
    assert "epoch 1 step" in logs[0] and "failed: " in logs[1] and "epoch 1 step" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("launcher", ["basic", *PACKAGES])
def test_a_signal(launcher: str, number: signal.Signals, tmp_path: Path) -> None:
    """It ends in one line, no process stays, and the runs go on from their checkpoints. Ctrl-C
    reaches every process of a terminal, SIGTERM the first one alone."""
    if launcher != "basic":
        needs(launcher)
    words = ["-m", "model=lr_dnn", "seed=0,1,2", *SMALL, "trainer.patience=100000"]
    words += ["trainer.epochs=100000", f"results={tmp_path}", f"hydra/launcher={launcher}"]
    more = {"joblib": "hydra.launcher.n_jobs=2", "submitit_local": "hydra.sweeper.max_batch_size=2"}
    words += [more[launcher]] if launcher in more else []
    command = [sys.executable, "-m", "ctrbench", "train", *words]
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ
    )
    expected = 1 if launcher == "basic" else 2
    for _ in range(600):
        if len(list(tmp_path.glob("runs/*/*/*/checkpoint.pt"))) == expected:
            break
        time.sleep(0.1)
    children = descendants(started.pid)
    (os.killpg if number == signal.SIGINT else os.kill)(started.pid, number)
    _, told = started.communicate(timeout=60)  # at the end of all that hold its stderr
    assert started.returncode == 128 + number, told
    assert told.splitlines()[-1].startswith("stopped; the same command goes on")
    assert "Traceback" not in told and "Warning" not in told
    assert len(list(tmp_path.glob("runs/*/*/*/checkpoint.pt"))) == expected
    assert not any(map(is_alive, children))
    assert len(children) >= (0 if launcher == "basic" else 2)


@pytest.mark.parametrize(
    ("launcher", "extra"), [("joblib", "joblib"), ("submitit_slurm", "submitit"), ("ray", "ray")]
)
def test_a_launcher_that_is_not_installed(launcher: str, extra: str) -> None:
    error = MissingConfigException("", f"hydra/launcher/{launcher}", ["basic"])
    told = f"hydra/launcher={launcher} needs a package: pip install 'ctrbench[{extra}]'"
    assert explain_error(error) == told
