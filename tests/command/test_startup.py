"""What trains nothing imports no torch, which takes longer than all else of such a command."""

import subprocess
import sys
from pathlib import Path

from support import ctrbench

RUNS = ["model=lr,fm", "data=planted", "data.rows=2000", "data.vocabulary=30", "trainer.epochs=1"]
WITHOUT_TORCH = """
import sys
from ctrbench.command import cli
for line in sys.stdin.read().splitlines():
    assert cli.run(line.split()) == 0, line
    if "torch" in sys.modules:
        sys.exit(f"{line}: imports torch")
"""


def test_without_torch(tmp_path: Path) -> None:
    """Listing, composing and reporting, and runs that are finished."""
    sweep = ["train", "-m", *RUNS, "threads=1", "device=cpu", f"results={tmp_path}"]
    assert ctrbench(*sweep).returncode == 0
    single = [*sweep[:1], "model=fm", *sweep[3:]]
    commands = [
        ["reproduce", "--list"],
        ["reproduce", "table1", f"results={tmp_path}"],
        ["reproduce", "table2", "--dry-run", "budget=small"],
        ["train", "--cfg", "job", "model=dcn"],
        sweep,
        single,
        ["report", f"results={tmp_path}"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        input="\n".join(map(" ".join, commands)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
