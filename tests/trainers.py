"""Trainers of a small model on random rows, for tests of what a trainer does."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctrbench.data.batches import Batches
from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.opened import Part
from ctrbench.models import registry
from ctrbench.models.settings.lr import LRSettings
from ctrbench.training.schedule import ConstantSettings, CosineSettings
from ctrbench.training.settings import TrainerSettings
from ctrbench.training.trainer import MakeLoop, Trainer

CPU = torch.device("cpu")
SCHEMA = Schema(tuple(Field(name, "vocabulary", 9) for name in "abc"))


def part(rows: int) -> Part:
    """Random ids, and clicks that depend on the first field."""
    rng = np.random.default_rng(rows)
    ids = rng.integers(9, size=(rows, 3)).astype(np.int32)
    none = np.empty((rows, 0), np.int32)
    labels = (rng.random(rows) < 0.1 * ids[:, 0]).astype(np.uint8)
    return Part(ids, none, labels, none.astype(np.float32), None)


PLAIN = TrainerSettings(3, 64, 4, "logloss", 100, schedule=ConstantSettings("constant"))
ALL = replace(
    PLAIN,
    monitor={"auc": 1.0, "logloss": -0.5},
    clip_norm=0.02,
    ema=0.9,
    schedule=CosineSettings("cosine", 5, 0.1),
)


def groups(model: torch.nn.Module) -> list[dict[str, Any]]:
    """The weights of a model; its bias has a learning rate of its own."""
    table, bias = model.get_parameter("embedding.weight"), model.get_parameter("bias")
    return [{"params": [table], "lr": 0.1}, {"params": [bias], "lr": 0.03}]


def trainer(
    path: Path,
    make_loop: MakeLoop | None = None,
    place: str = "device",
    settings: TrainerSettings = PLAIN,
) -> Trainer:
    """Ten steps an epoch, evaluated at the fourth, the eighth and the last; three epochs."""
    torch.manual_seed(0)
    model = registry.build(SCHEMA, LRSettings("lr"))
    return Trainer(
        model,
        torch.optim.Adam(groups(model), fused=True),
        Batches(part(640), 64, CPU, place),
        Batches(part(200), 64, CPU),
        settings,
        seed=0,
        device=CPU,
        precision="fp32",
        path=path,
        make_loop=make_loop,
    )


class Steps:
    """Counts steps, and sends a signal when so many are done."""

    def __init__(self, at: int = -1, number: int = signal.SIGINT) -> None:
        self.done, self.at, self.number = 0, at, number

    def __call__(self, rows: int) -> None:
        self.done += rows // 64
        if self.done == self.at:
            signal.raise_signal(self.number)
