"""The same bytes by the same seed, of a run that was stopped, killed or failed half-way too."""

import errno
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from support import ENCODINGS, KINDS, OFTEN, PAST, Compose, run, run_directory, small

from ctrbench.errors import UserError
from ctrbench.runs.record import RunDirectory
from ctrbench.training import checkpoint


def test_the_same_seed_gives_the_same_bytes(shared: Compose, settings: Compose) -> None:
    words = [*small("deepfm"), ENCODINGS, *OFTEN]
    whole, again, other = shared(*words), settings(*words), settings(*words, "seed=1")
    for own in (whole, again, other):
        run(own)
    assert _bytes(whole, "model.safetensors") == _bytes(again, "model.safetensors")
    assert _bytes(whole, "model.safetensors") != _bytes(other, "model.safetensors")


def stop_at(monkeypatch: pytest.MonkeyPatch, evaluations: int, number: int) -> None:
    """Send a signal to this process when a run records so many evaluations."""
    write = RunDirectory.write_history

    def write_and_stop(self: Any, history: list[dict[str, Any]]) -> None:
        write(self, history)
        if len(history) == evaluations:
            signal.raise_signal(number)

    monkeypatch.setattr(RunDirectory, "write_history", write_and_stop)


@pytest.mark.parametrize("name", (*KINDS, *PAST))
def test_resumed_from_the_middle_of_an_epoch(
    name: str,
    shared: Compose,
    settings: Compose,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped by Ctrl-C in the second epoch, it goes on to the bytes of the run that was not."""
    scheduled = ["schedule=cosine"] if name == "wide_deep" else []  # of two optimizers in one
    words = [*small(name), ENCODINGS, *OFTEN, *scheduled]
    whole = shared(*words)
    run(whole)
    parts = settings(*words)
    if name == "fnn":
        shutil.copytree(folder / "runs/planted/fm", tmp_path / "runs/planted/fm")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 4, signal.SIGINT)
        run(parts)
    directory = run_directory(parts)
    state = torch.load(directory.checkpoint, weights_only=True)["progress"]
    assert (state["epoch"], state["step"]) == (1, 3)
    run(parts)
    assert not directory.checkpoint.exists()
    assert _bytes(whole, "model.safetensors") == _bytes(parts, "model.safetensors")
    assert _history(whole) == _history(parts)


def _bytes(own: Any, name: str) -> bytes:
    return (run_directory(own).path / name).read_bytes()


def _history(own: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in _bytes(own, "history.jsonl").splitlines()]
    return [{k: v for k, v in line.items() if k != "train_seconds"} for line in lines]


def test_a_killed_process_goes_on(settings: Compose, tmp_path: Path) -> None:
    """SIGKILL in training; the next start finishes, to the same bytes, and leaves nothing."""
    own = [
        *small("deepfm"),
        "tuned=none",
        "data.rows=20000",
        "data.vocabulary=50",
        "threads=1",
        "trainer.batch_size=256",
        "trainer.epochs=3",
        "trainer.eval_every=20",
        "trainer.patience=100",
    ]
    done = tmp_path / "killed"
    command = [sys.executable, "-m", "ctrbench", "train", *own, f"results={done}"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while process.poll() is None and not list(done.glob("runs/*/*/*/checkpoint.pt")):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert not list(done.glob("runs/*/*/*/result.json"))
    (left,) = done.glob("runs/*/*/*/")
    (
        left / "checkpoint.pt.999999999.tmp"
    ).touch()  # as a kill leaves it that comes while it is written
    parts = settings(*own, f"results={done}", "data.min_count=4")
    whole = settings(*own, f"results={tmp_path}/whole", "data.min_count=4")
    for each in (parts, whole):
        run(each)
    assert run_directory(parts).path == left
    assert _bytes(whole, "model.safetensors") == _bytes(parts, "model.safetensors")
    assert set(os.listdir(left)) == set(os.listdir(run_directory(whole).path))


def test_what_is_no_checkpoint(settings: Compose) -> None:
    own = settings(*small("lr"))
    directory = run_directory(own)
    directory.path.mkdir(parents=True)
    for wrong in ({}, [1], {"model": {}}, None):
        torch.save(wrong, directory.checkpoint)
        data = directory.checkpoint.read_bytes()
        directory.checkpoint.write_bytes(data + hashlib.sha256(data).digest())
        with pytest.raises(UserError, match=r"checkpoint.pt: not a checkpoint of .* delete it$"):
            run(own)


def flip(data: bytes, share: float) -> bytes:
    """Change a bit so far into the bytes."""
    place = min(int(share * len(data)), len(data) - 1)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    **{f"bit {share}": partial(flip, share=share) for share in (0.0, 0.3, 0.5, 0.8, 0.99, 1.0)},
    "truncated": lambda data: data[:-100],
    "empty": lambda data: b"",
    "no archive": lambda data: b"no archive",
    "longer": lambda data: data + b"x",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_checkpoint_is_named_and_not_used(
    damage: str,
    shared: Compose,
    settings: Compose,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run starts from its beginning, and ends with the bytes of one that was not stopped."""
    words = [*small("lr"), *OFTEN, "trainer.epochs=1"]
    whole, parts = shared(*words), settings(*words)
    run(whole)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 2, signal.SIGINT)
        run(parts)
    path = run_directory(parts).checkpoint
    path.write_bytes(DAMAGED[damage](path.read_bytes()))
    run(parts)
    assert [r.message for r in caplog.records if str(path) in r.message and "damaged" in r.message]
    assert _bytes(whole, "model.safetensors") == _bytes(parts, "model.safetensors")
    assert _history(whole) == _history(parts)


def test_a_full_disk_is_an_error_that_names_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.Linear(300, 300)
    optimizer = torch.optim.Adam(model.parameters())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            checkpoint.save(tmp_path / "checkpoint.pt", model, optimizer, checkpoint.Progress())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert str(caught.value.filename) == str(tmp_path / "checkpoint.pt")
    assert not list(tmp_path.iterdir())
