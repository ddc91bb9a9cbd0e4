"""Which device a name stands for, what memory is left, and of which commit the code is."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ctrbench import machine
from ctrbench.errors import UserError
from ctrbench.machine import (
    anonymous_memory,
    commit_of,
    device_name,
    device_type,
    free_memory,
    resolve_device,
)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
def test_gpus_by_number() -> None:
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("auto") == torch.device("cuda")
    with pytest.raises(UserError, match=r"device=cuda:2: no such GPU; torch sees cuda:0 to cuda:1"):
        resolve_device("cuda:2")


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device=cuda:1: no GPU is visible"):
        resolve_device("cuda:1")
    assert resolve_device("auto") == torch.device("cpu")


def test_a_cpu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or times of different machines would stand beside each other."""
    monkeypatch.setattr(machine, "PROC", tmp_path)
    known = torch.backends.cpu.get_cpu_capability()
    assert device_name(torch.device("cpu")) == f"cpu ({platform.machine()}, {known})"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n\n")
    assert device_name(torch.device("cpu")) == f"cpu (A CPU @ 2 GHz, {known})"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders in place of ``/proc`` and ``/sys/fs/cgroup``, of 1 GB that is free."""
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    write(tmp_path / "proc/meminfo", "MemTotal:  9000000 kB\nMemAvailable:  1000000 kB\n")
    write(tmp_path / "proc/self/cgroup", "0::/\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def limit(folder: Path, most: str, used: int, files: tuple[int, int]) -> None:
    """The files of a control group (version 2)."""
    write(folder / "memory.max", f"{most}\n")
    write(folder / "memory.current", f"{used}\n")
    stat = f"anon {used - sum(files)}\ninactive_file {files[0]}\nactive_file {files[1]}\n"
    write(folder / "memory.stat", stat)


def test_free_memory_without_a_container(system: Path) -> None:
    assert free_memory() == 1_000_000 * 1024
    limit(system / "cgroup", "max", 500, (0, 0))
    assert free_memory() == 1_000_000 * 1024


def test_cached_files_are_free_in_a_container(system: Path) -> None:
    limit(system / "cgroup", "1000", 900, (300, 200))
    assert free_memory() == 1000 - 900 + 300 + 200


@pytest.mark.parametrize("group", ["/a/b", "/../a/b"])
def test_the_narrowest_group_up_the_tree_counts(group: str, system: Path) -> None:
    write(system / "proc/self/cgroup", f"3:cpu:/\n0::{group}\n")
    limit(system / "cgroup/a/b", "5000", 1000, (0, 0))
    limit(system / "cgroup/a/b/other", "1", 0, (0, 0))
    assert free_memory() == 4000
    limit(system / "cgroup/a", "5000", 3000, (0, 0))
    assert free_memory() == 2000
    limit(system / "cgroup", "2500", 2400, (0, 0))
    assert free_memory() == 100


def test_control_groups_of_version_1(system: Path) -> None:
    write(system / "proc/self/cgroup", "9:name=systemd:/\n4:memory:/x\n0::/\n")
    folder = system / "cgroup/memory/x"
    write(folder / "memory.limit_in_bytes", "1000\n")
    write(folder / "memory.usage_in_bytes", "900\n")
    stat = "inactive_file 1\nactive_file 1\ntotal_inactive_file 30\ntotal_active_file 4\n"
    write(folder / "memory.stat", stat)
    assert free_memory() == 134


def test_a_process_may_have_a_colon_in_its_name(system: Path) -> None:
    write(system / "proc/self/status", "Name:\tray::IDLE\nRssAnon:\t  12 kB\n")
    assert anonymous_memory() == 12 * 1024


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    """Not that of another repository that an installed file lies in."""
    code, other = tmp_path / "code/machine.py", tmp_path / "code/venv/machine.py"
    for path in (code, other):
        write(path, "1")
    assert commit_of(code) is None
    git(code.parent, "init")
    git(code.parent, "add", "machine.py")
    git(code.parent, "commit", "-m", "first")
    git(code.parent, "tag", "-a", "v1", "-m", "annotated")
    head = git(code.parent, "rev-parse", "HEAD")
    commit_of.cache_clear()
    assert commit_of(code) == head and commit_of(other) is None
    code.write_text("2")
    commit_of.cache_clear()
    assert commit_of(code) == f"{head}-dirty"


def test_the_type_of_a_device_is_that_of_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver of a GPU, torch is not asked."""
    assert device_type("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_type("auto") == device_type("cuda:0") == "cuda"
    with pytest.raises(UserError, match="no such GPU"):
        device_type("cuda:1")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(machine, "GPU_DRIVERS", ("no-such-library.so",))
    assert device_type("auto") == "cpu"
    monkeypatch.setattr(machine, "GPU_DRIVERS", ("libc.so.6",))
    monkeypatch.setattr(machine, "resolve_device", lambda name: torch.device("cuda"))
    assert device_type("auto") == "cuda"
