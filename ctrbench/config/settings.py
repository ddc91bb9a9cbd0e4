"""The settings of a whole run."""

import os
import re
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from ctrbench.data.settings import DataSettings, SplitSettings
from ctrbench.errors import UserError
from ctrbench.models.settings.base import ModelSettings
from ctrbench.models.settings.fnn import FNNSettings
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.results import Results
from ctrbench.settings import nearest, option, settings
from ctrbench.training.settings import RecipeSettings, TrainerSettings, TunedSettings

THREADS_PER_CORE = 4  # more only cost, and a million end the process

OmegaConf.register_new_resolver(
    "download", lambda results, name: str(Results(results).download(name)), replace=True
)


@settings("budget")
@dataclass
class BudgetSettings:
    """The cost of a run: values that other settings take, so that one override sets them all."""

    name: str = option("name of the budget")
    rows: int = option("data.rows of planted rows", ge=1)
    neurons: int = option("model.neurons of every network", ge=1)
    dropout: float = option("model.dropout of every network", ge=0, lt=1)
    epochs: int = option("trainer.epochs", ge=1)
    seeds: list[int] = option("seeds of the tables and figures of an experiment", ge=0, lt=2**31)


@settings("run")
@dataclass
class RunSettings:
    """One run of one model on one data set."""

    model: ModelSettings = option("a model: conf/model")
    data: DataSettings = option("a data set: conf/data")
    optimizer: OptimizerSettings = option("an optimizer: conf/optimizer")
    split: SplitSettings = option("how rows are split: conf/split")
    trainer: TrainerSettings = option("the trainer: conf/trainer")
    seed: int = option("seed of weights, permutations and dropout", ge=0, lt=2**31)
    device: str = option("auto (a GPU where there is one), cpu, cuda, or cuda:1 of several")
    rows_in: str = option(
        "where rows are held in training: device, host, or disk (read as they are needed); auto: "
        "the first that has the memory",
        choices=("auto", "device", "host", "disk"),
        affects_result=False,
    )
    precision: str = option("fp32, or bf16: autocast of the forward pass", choices=("fp32", "bf16"))
    threads: int | None = option("CPU threads; null: torch's choice", ge=1, affects_result=False)
    results: str = option("folder that everything goes to", affects_result=False)
    tracker: str = option(
        "where the history is written too, as it grows: none, tensorboard, wandb",
        choices=("none", "tensorboard", "wandb"),
        affects_result=False,
    )
    experiment: Any = option("what an experiment says of itself: experiments", affects_result=False)
    budget: BudgetSettings = option("what runs may cost: conf/budget", affects_result=False)
    start_from: str | None = option(
        "a finished run of the same model and fields, whose weights are the first ones of this run",
        default=None,
        affects_result=False,
    )
    pretraining: Any = option(
        "the pre-training run that this one starts from, of a model that has one", default=None
    )
    tuned: TunedSettings | None = option(
        "DATA/MODEL of conf/tuned, taken where it exists; none: no tuned values",
        default=None,
        affects_result=False,
    )

    recipe: RecipeSettings | None = option(
        "SOURCE/DATA/MODEL of conf/recipe: the published recipe to follow",
        default=None,
        affects_result=False,
    )

    def __post_init__(self) -> None:
        if not self.model.pretraining():
            self.pretraining = None
        elif isinstance(self.model, FNNSettings) and self.pretraining is not None:
            # which gives the embeddings
            self.model.init_std = self.pretraining.model.init_std

    @property
    def title(self) -> str:
        """The name of the run in messages."""
        return f"{self.model.name} on {self.data.name}, seed {self.seed}"

    def validate(self) -> None:
        """Refuse an unknown device, a useless number of threads, and a schedule that cannot start
        from the optimizer's learning rate."""
        self.trainer.schedule.check_against(self.optimizer.rates())
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            hint = nearest(self.device, ("auto", "cpu", "cuda", "cuda:1"))
            raise UserError(f"device={self.device}: not known; {hint}")
        cores = os.cpu_count() or 1
        if self.threads is not None and self.threads > THREADS_PER_CORE * cores:
            raise UserError(
                f"threads={self.threads}: this machine has {cores} cores; give at most "
                f"{THREADS_PER_CORE * cores}, or null for torch's choice"
            )
