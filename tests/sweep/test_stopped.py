"""A sweep that was stopped or killed, and run again, leaves what an undisturbed one leaves.

``CTRBENCH_FAULTS=20 pytest -m slow tests/sweep/test_stopped.py`` tries 20 times of each launcher.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.faults import contents, environment_number
from helpers.launchers import needs

pytestmark = pytest.mark.slow
COUNT = environment_number("CTRBENCH_FAULTS", 1)
SEED = environment_number("CTRBENCH_FAULTS_SEED", 0)
SWEEP = ["train", "-m", "model=lr,fm", "seed=0,1", "data.rows=2000", "trainer.epochs=2"]
SWEEP += ["data.vocabulary=30", "trainer.batch_size=256", "threads=1", "results=."]
LAUNCHERS = ("basic", "joblib", "submitit_local")
COMMAND = [sys.executable, "-m", "ctrbench"]


def runs_of(folder: Path) -> dict[str, object]:
    """The files of all runs and stores."""
    found = contents(folder)
    assert not [name for name in found if name.endswith((".tmp", ".partial", "checkpoint.pt"))]
    return {name: data for name, data in found.items() if not name.endswith("trials.json")}


def sweep(folder: Path, launcher: str) -> tuple[str, float]:
    """Run the whole sweep; what it prints, and its seconds."""
    folder.mkdir(exist_ok=True)
    began = time.monotonic()
    words = [*COMMAND, *SWEEP, f"hydra/launcher={launcher}"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, time.monotonic() - began


def stop(folder: Path, launcher: str, number: int, seconds: float) -> int:
    """Send a signal to a sweep after some seconds; its status, once no process of it is left."""
    folder.mkdir()
    words = [*COMMAND, *SWEEP, f"hydra/launcher={launcher}"]
    with subprocess.Popen(
        words, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as started:
        time.sleep(seconds)
        started.send_signal(number)
        status = started.wait(60)
        with suppress(ProcessLookupError):  # jobs of a killed process go on
            os.killpg(started.pid, signal.SIGKILL)
        _, text = started.communicate(timeout=60)
    assert "Traceback" not in text, text
    return status


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_that_was_stopped_ends_as_one_that_was_not(launcher: str, tmp_path: Path) -> None:
    if launcher != "basic":
        needs(launcher)
    printed, seconds = sweep(tmp_path / "whole", launcher)
    expected = runs_of(tmp_path / "whole")
    rng, stopped = random.Random(f"{SEED} {launcher}"), 0
    for i in range(COUNT):
        number = (signal.SIGTERM, signal.SIGKILL)[i % 2]
        folder = tmp_path / str(i)
        status = stop(folder, launcher, number, rng.uniform(0.1, 0.7) * seconds)
        assert status in (0, -number, 128 + number)
        stopped += status != 0
        assert sweep(folder, launcher)[0] == printed
        assert runs_of(folder) == expected
    print(f"{launcher}: {stopped} of {COUNT} were stopped")  # pytest -rP shows it
