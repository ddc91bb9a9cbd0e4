"""Ctrl-C and SIGTERM at random times of a command, its imports too.

``CTRBENCH_FAULTS=20 pytest -m slow tests/test_signals.py`` tries 20 times of each verb.
"""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.faults import environment_number

pytestmark = pytest.mark.slow
COUNT = environment_number("CTRBENCH_FAULTS", 2)
SEED = environment_number("CTRBENCH_FAULTS_SEED", 0)
ROWS = ["data=planted", "data.rows=2000", "threads=1"]
RUN = "RUN"
ROWS_CSV = "a,b,y\n" + "".join(f"{i % 7},{'xyz'[i % 3]},{i % 5 // 3}\n" for i in range(900))
TRAIN = ["train", "model=lr", "data=table", "data.path=rows.csv", "data.label=y", "split=random"]
COMMANDS = {
    "train": ["train", "model=lr", *ROWS],
    "sweep": ["train", "-m", "model=lr", "seed=0,1", *ROWS],
    "joblib": ["train", "-m", "model=lr", "seed=0,1", "hydra/launcher=joblib", *ROWS],
    "prepare": ["prepare", *ROWS],
    "data": ["data", *ROWS],
    "tune": ["tune", "model=lr", "trials=3", *ROWS],
    "report": ["report", RUN],
    "predict": ["predict", RUN, "rows.csv"],
    "export": ["export", RUN],
    "rows": ["rows", *ROWS],
    "reproduce": ["reproduce", "table2", "model=lr", "seed=0", *ROWS],
    "bench": ["bench", "model=lr", "threads=1"],
}


def is_handling(process: int) -> bool:
    """Whether a process has a handler for SIGTERM: the interpreter itself has none."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (caught,) = [line.split()[1] for line in lines if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows and a run of them."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "rows.csv").write_text(ROWS_CSV)
    command = [sys.executable, "-m", "ctrbench", *TRAIN, "threads=1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("verb", COMMANDS)
def test_one_line_whenever_the_signal_comes(verb: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (path,) = tmp_path.glob("results/runs/*/*/*/result.json")
    run = str(path.parent.relative_to(tmp_path))
    arguments = [run if word == RUN else word for word in COMMANDS[verb]]
    rng, wrong, stopped = random.Random(f"{SEED} {verb}"), [], 0
    for _ in range(COUNT):
        number = rng.choice([signal.SIGINT, signal.SIGTERM])
        command = [sys.executable, "-m", "ctrbench", *arguments]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        ) as started:
            while started.poll() is None and not is_handling(started.pid):
                time.sleep(0.001)
            seconds = rng.choice([0.5, 3.0]) * rng.random()
            time.sleep(seconds)
            started.send_signal(number)
            written, text = started.communicate()
        lines = text.splitlines() or [""]
        is_stopped = started.returncode == 128 + number and lines[-1].startswith("stopped")
        stopped += is_stopped
        is_over = started.returncode == 0 and written.strip()  # it ended before the signal came
        if "Traceback" in text or "FakeTensor" in text or not (is_stopped or is_over):
            wrong.append((seconds, number, started.returncode, text[-800:]))
    print(f"{verb}: {stopped} of {COUNT} were stopped")  # pytest -rP shows it
    assert not wrong
