"""Settings of the trainer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError
from ctrbench.records import RunDirectory
from ctrbench.settings import option, settings


@settings("trainer")
@dataclass
class TrainerSettings:
    """How long to train, and what is kept."""

    epochs: int = option("passes over the training rows, at most", ge=1)
    batch_size: int = option("rows of a step", ge=1)
    eval_every: int | None = option("steps between evaluations; null: once an epoch", ge=1)
    monitor: str = option("validation figure that decides", choices=("auc", "logloss"))
    patience: int = option("evaluations without a better figure before stopping", ge=1)


@settings("stage")
@dataclass
class StageSettings:
    """A training run of its own before this one, which starts from its weights."""

    model: Any = option("its model")
    optimizer: Any = option("its optimizer")
    trainer: Any = option("its trainer")
    run: str | None = option("a finished run to take in its place: its directory")

    def validate(self) -> None:
        """Refuse a directory that is not a finished run of the stage's model."""
        result = RunDirectory(Path(self.run)).result() if self.run else None
        if self.run and (result is None or result["model"] != self.model.name):
            raise UserError(
                f"pretraining.run={self.run}: not a finished run of model={self.model.name}"
            )
