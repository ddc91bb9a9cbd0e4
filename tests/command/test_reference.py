"""The reference of all keys."""

import dataclasses
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from support import ctrbench

from ctrbench.data.settings import DataSettings, SplitSettings
from ctrbench.models.settings import ModelSettings
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.runs.settings import RunSettings
from ctrbench.training.schedule import ScheduleSettings
from ctrbench.training.settings import StageSettings, TrainerSettings

GROUPS = {
    DataSettings: "data.",
    SplitSettings: "split.",
    ModelSettings: "model.",
    OptimizerSettings: "optimizer.",
    TrainerSettings: "trainer.",
    ScheduleSettings: "trainer.schedule.",
    StageSettings: "pretraining.",
    RunSettings: "",
}
NO_OPTIONS = {
    "model.name",
    "optimizer.name",
    "trainer.schedule.name",
    "pretraining.tuned",
    "experiment",
}  # chosen by their group


def registered() -> list[Any]:
    """Every settings class that a YAML file can extend."""
    nodes: Any = ConfigStore.instance().repo["settings"]
    return [OmegaConf.get_type(node.node) for node in nodes.values()]


def test_help_lists_every_key_of_every_class() -> None:
    lines = {
        line.split()[0]: line for line in ctrbench("train", "--help").stdout.splitlines() if line
    }
    checked = 0
    for cls in registered():
        prefix = next((group for base, group in GROUPS.items() if issubclass(cls, base)), None)
        for field in dataclasses.fields(cls) if prefix is not None else ():
            key = f"{prefix}{field.name}"
            if key in NO_OPTIONS:
                assert key not in lines
            elif key != "pretraining" and not dataclasses.is_dataclass(field.type):
                assert lines[key].split(maxsplit=1)[1] != ""
                checked += 1
    assert checked > 50 and "data.path" in lines
