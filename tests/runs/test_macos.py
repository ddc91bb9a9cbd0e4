"""Systems without Linux' own calls and without ``/proc``, as macOS is."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from support import HISTORY, Compose, run, small

from ctrbench import machine
from ctrbench.data.store.arrays import create
from ctrbench.files import file_digest
from ctrbench.runs.plan import RunPlan
from ctrbench.sweep.folder import usable_cores

LINUX_ONLY = ("posix_fallocate", "posix_fadvise", "POSIX_FADV_WILLNEED", "sched_getaffinity")


@pytest.fixture
def macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LINUX_ONLY:
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(machine, "PROC", tmp_path / "no-proc")


def trained(settings: Compose, results: Path) -> str:
    """The digest of the weights of a run whose history is written through a memory map and whose
    rows are read from the disk."""
    own = settings(*small("rnn"), HISTORY, "rows_in=disk", "trainer.epochs=1", "data.rows=2000")
    own.results = str(results)
    run(own)
    return file_digest(RunPlan(own).directory.weights)


def test_a_run(tmp_path: Path, settings: Compose, request: pytest.FixtureRequest) -> None:
    weights = trained(settings, tmp_path / "linux")
    request.getfixturevalue("macos")
    assert trained(settings, tmp_path / "macos") == weights


@pytest.mark.usefixtures("macos")
def test_what_the_machine_has(tmp_path: Path) -> None:
    assert usable_cores() == os.cpu_count()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < machine.free_memory() < total
    assert machine.peak_memory(torch.device("cpu")) > 1e7
    assert machine.anonymous_memory() == 0
    array = create(tmp_path / "a.npy", "<i4", (300, 1000))
    array[:] = 7
    array.flush()
    path = tmp_path / "a.npy"
    assert path.stat().st_blocks * 512 >= 1_200_000 and (np.load(path) == 7).all()
