"""Disks, memory and pipes that are too small: one line that names what to change."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import Compose, ctrbench, run, run_directory

from ctrbench.errors import memory_error, one_line

COMMAND = [sys.executable, "-m", "ctrbench"]


def limited(kind: int, most: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process with a limit of its resources."""
    code = (
        f"import resource, sys; resource.setrlimit({kind}, ({most}, {most}));"
        "from ctrbench.command.cli import main; sys.argv = ['ctrbench', *sys.argv[1:]]; main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_an_export_that_the_disk_does_not_take(settings: Compose) -> None:
    small = settings("model=fm", "data.rows=400", "trainer.epochs=1")
    run(small)
    path = run_directory(small).path
    done = limited(resource.RLIMIT_FSIZE, 4096, "export", str(path))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "model.pt2: File too large" in done.stderr
    assert not list(path.glob("*.pt2*"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit address space")
def test_training_that_the_memory_does_not_take(tmp_path: Path) -> None:
    words = ["model=dnn", "model.hidden=[20000,20000]", "data.rows=1000", "threads=1"]
    place = [f"results={tmp_path}", "tuned=none", "trainer.epochs=1"]
    done = limited(resource.RLIMIT_AS, 3 * 10**9, "train", *words, *place)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "out of memory (1600000000 bytes" in last and "model.hidden" in last


@pytest.mark.parametrize(
    ("error", "size"),
    [
        (MemoryError("Unable to allocate 16.0 GiB for an array with shape (2,)"), "16.0 GiB"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "2.00 GiB"),
        (MemoryError(), ""),
    ],
)
def test_errors_of_memory(error: Exception, size: str) -> None:
    assert size in one_line(error) and "trainer.batch_size" in one_line(error)
    assert ("rows_in=host" in one_line(error)) == ("CUDA" in str(error))
    assert memory_error(RuntimeError("another")) is None


def test_a_vocabulary_that_the_memory_does_not_take() -> None:
    done = ctrbench("train", "model=lr", "data=planted", "data.vocabulary=2147483648")
    assert done.returncode == 1 and done.stderr.startswith("ctrbench: data.vocabulary=")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_standard_output_that_takes_nothing() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "train", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr.startswith("ctrbench: standard output: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["a=b", "a,b", "x=1"])
def test_folders_with_signs_of_the_grammar(name: str, settings: Compose, tmp_path: Path) -> None:
    small = settings("model=lr", "data.rows=400", "trainer.epochs=1")
    run(small)
    (tmp_path / name).mkdir()
    run_directory(small).path.rename(tmp_path / name / "run")
    for command in (["report", name], ["report", str(tmp_path / name)], ["export", f"{name}/run"]):
        done = ctrbench(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "own").mkdir(parents=True)
    words = ["model=lr", "data=planted", "data.rows=400", "trainer.epochs=1", "threads=1"]
    place = ["--config-dir", "~/own", "results='~/r'"]
    assert ctrbench("train", *words, *place, cwd=tmp_path).returncode == 0
    assert ctrbench("report", "~/r", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "~").exists() and (tmp_path / "home" / "r" / "runs").exists()
