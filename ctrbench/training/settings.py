"""Settings of the trainer."""

import math
from dataclasses import dataclass
from typing import Any

from ctrbench.errors import UserError
from ctrbench.models.settings.base import ModelSettings
from ctrbench.monitor import check_monitor
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.settings import option, settings
from ctrbench.training.schedule import ScheduleSettings

STEPS, FEWEST, MOST = 100, 64, 4096  # of an epoch; rows of a step that are chosen


@settings("trainer")
@dataclass
class TrainerSettings:
    """How long to train, and what is kept."""

    epochs: int = option("maximum number of epochs", ge=1)
    batch_size: int | None = option(
        f"rows of a step, at most; null: by the training rows, for {STEPS} steps an epoch or more, "
        f"from {FEWEST} to {MOST}",
        ge=1,
    )
    eval_every: Any = option(  # int | float | None, which OmegaConf 2.3 cannot compose
        "steps between evaluations, an epoch's at most, or a share of them, .25; null: an epoch"
    )
    monitor: Any = option(
        "validation metric that selects the best weights: auc, logloss, gauc (with "
        "data.group), a sum, auc+gauc, or a weighted one, {auc: 1, logloss: -1}"
    )
    patience: int = option("evaluations without improvement before early stopping", ge=1)
    min_epochs: int = option(
        "epochs before early stopping may end the run, for models whose loss plateaus first",
        ge=0,
        default=0,
        neutral=0,
    )
    clip_norm: float | None = option(
        "maximum global gradient norm, L2 terms included; null: no clipping",
        gt=0,
        default=None,
        neutral=None,
    )
    ema: float | None = option(
        "decay of an exponential moving average of the weights, which is evaluated and saved in "
        "their place; null: none",
        gt=0,
        lt=1,
        default=None,
        neutral=None,
    )
    schedule: ScheduleSettings = option(
        "learning-rate schedule: conf/schedule", neutral={"name": "constant"}
    )
    captured: bool = option(
        "on a GPU: capture the step as a CUDA graph and replay it",
        default=True,
        affects_result=False,
    )

    def validate(self) -> None:
        """Refuse an unknown monitor, and an ``eval_every`` that is neither steps nor a share."""
        check_monitor(self.monitor)
        if self.min_epochs > self.epochs:
            raise UserError(
                f"trainer.min_epochs={self.min_epochs}: more than trainer.epochs={self.epochs}; "
                "lower it, or raise the other"
            )
        every = self.eval_every
        whole = type(every) is int and every >= 1
        if not (every is None or whole or (type(every) is float and 0 < every < 1)):
            raise UserError(
                f"trainer.eval_every={every}: give a whole number of steps, or a share of an "
                "epoch's steps below 1"
            )

    def rows_of_step(self, rows: int) -> int:
        """Return the batch size that is set, or the power of two that fits the training rows."""
        if self.batch_size is not None:
            return self.batch_size
        return int(min(MOST, max(FEWEST, 2 ** (max(1, rows // STEPS).bit_length() - 1))))

    def steps_between(self, steps: int) -> int:
        """Steps from one evaluation to the next, of an epoch of so many; the last may have fewer,
        for an evaluation falls on the end of every epoch."""
        every = self.eval_every or steps
        if isinstance(every, float):
            every = max(1, math.ceil(round(every * steps, 6)))  # .1 * 30 is a little over 3
        return min(every, steps)


@settings("tuned")
@dataclass
class TunedSettings:
    """Where tuned values come from. It tells, and decides nothing.

    What is not known is None.
    """

    trials: int | None = option("trials that they were chosen of", default=None)
    pruned: int | None = option("trials that were ended early", default=None)
    seed: int | None = option("seed of the search and of its trials", default=None)
    monitor: Any = option("validation metric that selected them", default=None)
    valid: dict[str, float] = option("best validation metrics", default_factory=dict)
    epochs: int | None = option("maximum number of epochs", default=None)
    patience: int | None = option("evaluations without improvement", default=None)
    min_epochs: int | None = option("epochs before early stopping could end a run", default=None)
    budget: str | None = option("budget of the search", default=None)
    identity: str | None = option("identity of the best run", default=None)
    content: str | None = option("hash of rows and split", default=None)
    rows: Any = option("rows of all, or of each part", default=None)
    split: Any = option("how rows were split", default=None)
    search: dict[str, str] = option("range of each key", default_factory=dict)
    versions: dict[str, str] = option("of the packages", default_factory=dict)
    note: str | None = option("what else is to be known", default=None)


@settings("recipe")
@dataclass
class RecipeSettings:
    """The published recipe that a run follows. It tells, and decides nothing."""

    source: str = option("who published its result: a file of report/published")
    data: str = option("the published data set")
    model: str = option("the model, by its published name")
    publication: str = option("where the model was published, as the source has it")
    reading: str | None = option(
        "how the model is read, where its paper or ours reads otherwise", default=None
    )


@settings("stage")
@dataclass
class PretrainingSettings:
    """A training run of its own before this one, which starts from its weights."""

    model: ModelSettings = option("model.KEY of the first stage (fnn: of its FM)")
    optimizer: OptimizerSettings = option("optimizer.KEY of the first stage")
    trainer: TrainerSettings = option("trainer.KEY of the first stage")
    run: str | None = option(
        "directory of a finished run to start from; null: the first stage is trained"
    )
    tuned: TunedSettings | None = option(
        "where its tuned values come from", default=None, affects_result=False
    )
