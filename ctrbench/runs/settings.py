"""The settings of a whole run."""

from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from ctrbench.data.settings import DataSettings, SplitSettings
from ctrbench.models.settings import ModelSettings
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.runs.record import Results
from ctrbench.settings import option, settings
from ctrbench.training.settings import TrainerSettings

OmegaConf.register_new_resolver(
    "download", lambda results, name: str(Results(results).download(name)), replace=True
)


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
    device: str = option("auto takes a GPU where there is one", choices=("auto", "cpu", "cuda"))
    rows_in: str = option(
        "where rows are held in training: device, host, or disk (read as they are needed); auto: "
        "the first that has the memory",
        choices=("auto", "device", "host", "disk"),
        decides=False,
    )
    precision: str = option("bf16: autocast of the forward pass", choices=("fp32", "bf16"))
    threads: int | None = option("CPU threads; null: torch's choice", ge=1, decides=False)
    results: str = option("folder that everything goes to", decides=False)
    experiment: Any = option("what an experiment says of itself: experiments", decides=False)
    pretraining: Any = option("the stage before this run, of a model that has one", default=None)

    def __post_init__(self) -> None:
        if not self.model.pretraining():
            self.pretraining = None
