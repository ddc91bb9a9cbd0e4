"""The folder of a sweep, what a job takes of a machine, and the line that tells how far it is."""

import logging
import os
import socket
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ctrbench.progress import duration
from ctrbench.sweep.folder import (
    DONE,
    FAILED,
    JobFile,
    SweepFolder,
    concurrent_jobs,
    limit_to_cores,
    machine_share,
    usable_cores,
)
from ctrbench.sweep.watch import Watch, count_text, time_left_text

LAUNCHERS = {
    "basic": {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"},
    "joblib": {"_target_": "hydra_plugins.x.JoblibLauncher", "n_jobs": 3},
    "local": {"_target_": "hydra_plugins.x.LocalLauncher"},
    "slurm": {"_target_": "hydra_plugins.x.SlurmLauncher"},
    "ray": {"_target_": "hydra_plugins.x.RayLauncher"},
}


@pytest.mark.parametrize(
    ("name", "jobs", "beside"),
    [
        ("basic", 9, 1),
        ("joblib", 9, 3),
        ("joblib", 2, 2),
        ("joblib", None, 3),
        ("local", None, 4),
        ("local", 9, 4),
        ("slurm", 9, 1),
        ("ray", 9, 1),
    ],
)
def test_jobs_of_one_machine(name: str, jobs: int | None, beside: int) -> None:
    """None: of a sweeper that draws them."""
    if name == "joblib":
        pytest.importorskip("joblib")
    hydra = OmegaConf.create({"launcher": LAUNCHERS[name], "sweeper": {"max_batch_size": 4}})
    assert concurrent_jobs(hydra, jobs) == beside


def test_no_more_jobs_than_cores() -> None:
    own = {
        name: limit_to_cores(OmegaConf.create({"launcher": launcher}), [])
        for name, launcher in LAUNCHERS.items()
    }
    assert own["basic"] == own["slurm"] == own["ray"] == []
    assert own["joblib"] == [f"hydra.launcher.n_jobs={usable_cores()}"]
    assert own["local"] == [f"hydra.sweeper.max_batch_size={usable_cores()}"]
    given = OmegaConf.create({"launcher": LAUNCHERS["joblib"]})
    assert limit_to_cores(given, ["hydra.launcher.n_jobs=5"]) == []


def test_shares_of_a_machine() -> None:
    assert machine_share(3, 1, 8) == {}
    assert (
        machine_share(3, usable_cores(), 0) == machine_share(3, usable_cores(), 1) == {"threads": 1}
    )
    assert machine_share(3, 1000, 0) == {"threads": 1}
    devices = [machine_share(number, 4, 3)["device"] for number in range(4)]
    assert devices == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]


def test_what_jobs_tell(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    assert folder.side_by_side == 1  # a sweep that another program began
    folder.begin(4)
    assert SweepFolder(tmp_path).side_by_side == 4
    first, second = JobFile(10, ["seed=0"]), JobFile(2, ["seed=1"])
    folder.tell(first)
    folder.tell(second)
    assert [job.number for job in folder.jobs()] == [2, 10]
    assert first.process == (socket.gethostname(), os.getpid())
    folder.tell(JobFile(2, ["seed=1"], state=FAILED, message="why"))
    assert [(job.state, job.message) for job in folder.jobs()] == [(FAILED, "why"), ("running", "")]


def test_the_line() -> None:
    assert (
        count_text(["done", "running", "failed", "done"], 9)
        == "runs: 2 of 9 done, 1 running, 1 failed"
    )
    assert count_text(["running"], None) == "runs: 0 done, 1 running"
    assert time_left_text(2, 6, 60.0) == ", about 2 min left"  # four more at 30 s each
    assert time_left_text(0, 6, 60.0) == time_left_text(6, 6, 60.0) == ""
    assert [duration(s) for s in (12, 59.4, 61, 3600, 7500)] == [
        "12 s",
        "59 s",
        "1 min",
        "1 h",
        "2 h 5 min",
    ]


def test_lines_of_a_sweep(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Only what has ended is told, runs found do not count for the time, and the last is told."""
    folder = SweepFolder(tmp_path)
    with caplog.at_level(logging.INFO), Watch(folder, 3):
        folder.tell(JobFile(0, [], found=True, state=DONE))
        folder.tell(JobFile(1, []))
    assert [record.message for record in caplog.records] == ["runs: 1 of 3 done, 1 running"]
