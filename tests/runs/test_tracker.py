"""Trackers: what they have of a run is its history, once, however often it was started."""

import contextlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Compose, run, run_directory

from ctrbench.errors import UserError
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.train import Training
from ctrbench.training import trainer

WORDS = ["model=fm", "trainer.epochs=3", "trainer.eval_every=4", "trainer.patience=9"]
STEPS = [4, 7, 11, 14, 18, 21]  # of 7 an epoch, evaluated every 4 and at its end


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every run dies at its fourth evaluation; the checkpoint is older than the history then."""
    evaluated = 0
    score = trainer.score

    def dying(*given: Any) -> Any:
        nonlocal evaluated
        evaluated += 1
        if evaluated == 4:
            raise UserError("killed")
        return score(*given)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "score", dying)
        yield


def test_killed_behind_the_last_evaluation(
    settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    own = settings(*WORDS, "tracker=tensorboard")

    def dying(*_: Any) -> Any:
        raise UserError("killed")

    with monkeypatch.context() as patch, pytest.raises(UserError, match="killed"):
        patch.setattr(Training, "_beside", dying)
        run(own)
    run(own)
    assert [step for step, _ in scalars(own)["valid_auc"]] == STEPS


def test_stopped_before_the_next_evaluation(
    settings: Compose, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier start had told is there again, though this one tells nothing."""
    pytest.importorskip("tensorboard")
    own = settings(*WORDS, "tracker=tensorboard")
    with pytest.raises(UserError, match="killed"):
        run(own)

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer.Trainer, "_advance", interrupted)
        run(own)
    assert len(scalars(own)["valid_auc"]) > 0


def history(settings: Any) -> list[dict[str, Any]]:
    """What the run says."""
    text = (run_directory(settings).path / "history.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def scalars(settings: Any) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's own reader finds: of each curve its steps and values."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = run_directory(settings).path / "tensorboard"
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    names = events.Tags()["scalars"]
    return {name: [(at.step, at.value) for at in events.Scalars(name)] for name in names}


def wandb_rows(path: Path) -> list[dict[str, Any]]:
    """The points in a file of W&B's: LevelDB's log, of blocks of 32 KiB, with protobuf in it."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole, rows = path.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:  # no room for a header in this block
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole of a record, or its end
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            items = {item.key or item.nested_key[0]: item for item in record.history.item}
            rows += [{key: json.loads(item.value_json) for key, item in items.items()}]
            whole = b""
    return [row for row in rows if row]


@pytest.mark.filterwarnings("ignore")  # of the reader
def test_tensorboard_has_the_history_once(settings: Compose, stopped: None) -> None:
    pytest.importorskip("tensorboard")
    own = settings(*WORDS, "tracker=tensorboard")
    with contextlib.suppress(UserError):
        run(own)
    assert [step for step, _ in scalars(own)["valid_auc"]] == STEPS[:3]  # as it grows
    run(own)
    lines, found = history(own), scalars(own)
    assert found.keys() == lines[0].keys() - {"step"}
    for name, points in found.items():
        assert [step for step, _ in points] == STEPS
        assert [value for _, value in points] == pytest.approx([line[name] for line in lines])


def test_a_tracker_decides_nothing(settings: Compose) -> None:
    plain, tracked = settings(*WORDS), settings(*WORDS, "tracker=tensorboard")
    assert RunPlan(plain).identity == RunPlan(tracked).identity


def test_wandb_offline_has_the_history_once(
    settings: Compose, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    own = settings(*WORDS, "tracker=wandb")
    with contextlib.suppress(UserError):
        run(own)
    run(own)
    (path,) = (run_directory(own).path / "wandb").rglob("*.wandb")
    rows = wandb_rows(path)
    assert [row["_step"] for row in rows] == STEPS
    assert [row["valid_auc"] for row in rows] == [line["valid_auc"] for line in history(own)]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed(
    name: str, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of its name beside the user's files is none, either."""
    import importlib.util
    from importlib.machinery import ModuleSpec

    for found in (None, ModuleSpec(name, None, is_package=True)):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, found=found: found)
        with pytest.raises(UserError, match=rf"tracker={name}: .* 'ctrbench\[{name}\]'"):
            RunPlan(settings(*WORDS, f"tracker={name}"))
    with pytest.raises(UserError, match="tracker=tensorbord: not known; did you mean tensorboard"):
        settings(*WORDS, "tracker=tensorbord")
