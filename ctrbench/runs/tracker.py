"""Trackers: the history of a run in TensorBoard's or in Weights & Biases' terms, as it grows.

A run's history is the truth. What a tracker has of an earlier start is written anew from it, so
that no point is there twice, whatever a killed process had written.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ctrbench.config.settings import RunSettings
from ctrbench.errors import UserError, one_line

Line = dict[str, Any]
Write = Callable[[int, Line], None]


def check_tracker(name: str) -> None:
    """Refuse a tracker whose package is not there.

    Raises:
        UserError: naming the extra that brings it.
    """
    if name == "none":
        return
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:  # a mere folder of that name is none
        raise UserError(f"tracker={name}: is not installed; pip install 'ctrbench[{name}]'")


@contextmanager
def tracking(
    settings: RunSettings, directory: Path, kind: str, identity: str, steps: int
) -> Iterator[Callable[[list[Line]], None]]:
    """Return a function that takes the history after every evaluation, and writes each line once.

    Args:
        directory: of the run.
        kind: ``run`` or ``trial``.
        steps: of an epoch; points stand over the steps of the whole run.
    """
    name, folder = settings.tracker, directory / settings.tracker
    if name == "none":
        yield lambda history: None
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    is_tensorboard = name == "tensorboard"
    writer = _tensorboard(folder) if is_tensorboard else _wandb(settings, folder, kind, identity)
    with writer as write:
        written = 0

        def track(history: list[Line]) -> None:
            nonlocal written
            for line in history[written:]:
                write((line["epoch"] - 1) * steps + line["step"], line)
            written = len(history)

        yield track


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Write]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def write(step: int, line: Line) -> None:
            for name, value in _figures(line).items():
                writer.add_scalar(name, value, step)
            writer.flush()

        yield write


@contextmanager
def _wandb(settings: RunSettings, folder: Path, kind: str, identity: str) -> Iterator[Write]:
    import wandb

    try:
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "ctrbench"),
            name=settings.title,
            id=f"{kind}-{identity}",
            job_type=kind,
            config=asdict(settings),
            dir=folder,
            resume="allow",
            settings=wandb.Settings(console="off"),
        )
    except wandb.Error as error:
        advice = "WANDB_MODE=offline needs no account"
        raise UserError(f"tracker=wandb: {one_line(error)}; {advice}") from None
    known = run.step  # of an earlier start, at the server

    def write(step: int, line: Line) -> None:
        if step >= known:
            run.log(_figures(line), step=step)

    try:
        yield write
    finally:
        run.finish()


def _figures(line: Line) -> dict[str, float]:
    return {name: value for name, value in line.items() if name != "step"}
