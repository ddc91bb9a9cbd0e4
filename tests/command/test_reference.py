"""The reference of all keys."""

import dataclasses
import re
from collections import defaultdict
from functools import cache
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from support import ctrbench

from ctrbench.command.verb_parser import VERBS
from ctrbench.config.compose import UNTUNED, compose
from ctrbench.config.settings import BudgetSettings, RunSettings
from ctrbench.data.settings import DataSettings, DownloadSettings, SplitSettings
from ctrbench.models import registry
from ctrbench.models.settings.base import ModelSettings
from ctrbench.optim.settings import OptimizerSettings
from ctrbench.runs.frame import flatten
from ctrbench.training.schedule import ScheduleSettings
from ctrbench.training.settings import (
    PretrainingSettings,
    RecipeSettings,
    TrainerSettings,
    TunedSettings,
)

GROUPS = {
    DataSettings: "data.",
    SplitSettings: "split.",
    ModelSettings: "model.",
    OptimizerSettings: "optimizer.",
    TrainerSettings: "trainer.",
    ScheduleSettings: "trainer.schedule.",
    PretrainingSettings: "pretraining.",
    RunSettings: "",
}
DEFAULT = re.compile(r" \(default: (.*)\)$")
NO_OPTIONS = {
    "model.name",
    "optimizer.name",
    "trainer.schedule.name",
    "budget.name",
    "data.download",
    "pretraining.tuned",
    "experiment",
}  # chosen by their group
HEADINGS = ["run", "model", "data", "optimizer", "split", "trainer", "schedule", "budget"]
HEADINGS += ["pretraining"]


def meaning(field: "dataclasses.Field[Any]") -> str:
    """As help has it: behind the text the values that there are to choose from."""
    choices = field.metadata.get("choices")
    return field.metadata["doc"] + ("" if choices is None else f" [{'|'.join(choices)}]")


def registered() -> list[Any]:
    """Every settings class that a YAML file can extend."""
    nodes: Any = ConfigStore.instance().repo["settings"]
    return [OmegaConf.get_type(node.node) for node in nodes.values()]


@cache
def shown() -> dict[str, list[tuple[str, str]]]:
    """The keys and meanings of ``train --help`` by the heading that they stand under."""
    text = ctrbench("train", "--help").stdout.partition("\nrun:\n")[2].partition("\n\n")[0]
    heading, found = "run", defaultdict(list)
    for line in text.splitlines():
        if line.startswith("  "):
            key, doc = line.split(maxsplit=1)
            found[heading].append((key, DEFAULT.sub("", doc)))
        else:
            heading = re.split("[=:]", line)[0]
    return found


def test_help_lists_every_key_of_every_class() -> None:
    lines = dict(line for lines in shown().values() for line in lines)
    checked = 0
    for cls in registered():
        prefix = next((group for base, group in GROUPS.items() if issubclass(cls, base)), None)
        for field in dataclasses.fields(cls) if prefix is not None else ():
            key = f"{prefix}{field.name}"
            if key in NO_OPTIONS:
                assert key not in lines
            elif not dataclasses.is_dataclass(field.type):
                assert key == "pretraining" or lines[key] != ""
                checked += 1
            elif key.removeprefix("trainer.") not in HEADINGS:
                told = [line for line in lines if line.startswith(f"{key}.")]
                assert told  # each, or one line for the keys of another group
    assert checked > 50 and "data.path" in lines


def as_shown(value: Any) -> str:
    """A value of a config as help has it."""
    if isinstance(value, list):
        return f"[{','.join(map(as_shown, value))}]"
    is_word = value is None or isinstance(value, bool)
    return {"None": "null"}.get(str(value), str(value).lower()) if is_word else str(value)


@pytest.mark.parametrize(
    ("words", "group"),
    [
        ([], ""),
        (["model=ffm"], "model"),
        (["model=din"], "model"),
        (["model=finalmlp"], "model"),
        (["model=fnn"], "pretraining"),
        (["optimizer=ftrl", "tuned=none"], "optimizer"),
        (["schedule=plateau"], "trainer.schedule"),
        (["data=table"], "data"),
        (["budget=small"], "budget"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_default_of_every_option(words: list[str], group: str) -> None:
    """As Hydra composes it; of a choice that is not the default one, beside its name."""
    config: Any = OmegaConf.to_container(compose([*UNTUNED, *words]), resolve=True)
    config = flatten({key: value for key, value in config.items() if key != "hydra"})
    text = ctrbench("train", "--help").stdout.partition("\nrun:\n")[2].partition("\n\n")[0]
    choice, checked = (words or ["=planted"])[0].partition("=")[2], 0
    for line in text.splitlines():
        key = line.split()[0]
        is_option = line.startswith("  ") and key in config and key != "tuned"
        if not is_option or not key.startswith(group):
            continue
        match = DEFAULT.search(line)
        assert match is not None, key
        value, (own, _, others) = as_shown(config[key]), match[1].partition("; ")
        is_told = value == own or f"{choice} {value}" in others or others == "others by choice"
        is_other = "(" in line[:-1] and choice not in line and key.startswith(("model", "data"))
        assert is_told or is_other, line
        checked += value == own
    assert checked >= 1
    missing = [line for line in text.splitlines() if line[:2] == "  " and "default" not in line]
    assert all(line.split()[0].endswith(".KEY") for line in missing)


def test_every_key_stands_under_its_group() -> None:
    """Those of the run first, which have none."""
    assert list(shown()) == HEADINGS
    assert {"seed", "device", "results", "recipe"} < {key for key, _ in shown()["run"]}
    for heading, lines in shown().items():
        prefix = {"run": "", "schedule": "trainer.schedule."}.get(heading, f"{heading}.")
        assert lines and all(key.startswith(prefix) for key, _ in lines)
        assert heading != "run" or not any("." in key for key, _ in lines)


def test_what_there_is_to_choose_from() -> None:
    run = dict(shown()["run"])
    assert run["precision"].endswith(" [fp32|bf16]")
    assert (
        "[checks|steps|epochs] (default: [checks,steps,epochs])"
        in ctrbench("bench", "--help").stdout
    )


def test_a_group_of_one_file_is_no_choice() -> None:
    lines = ctrbench("train", "--help").stdout.splitlines()
    assert "trainer:" in lines and "schedule=constant|cosine|linear|plateau" in lines


def test_keys_of_few_models_say_whose_they_are() -> None:
    having = defaultdict(list)
    for name, cls in sorted(registry.settings_of().items()):
        for field in dataclasses.fields(cls):
            having[f"model.{field.name}", meaning(field)].append(name)
    for (key, doc), names in having.items():
        if key != "model.name":
            told = f"{doc} ({', '.join(names)})" if len(names) <= 4 else doc
            assert (key, told) in shown()["model"]
    assert any(doc.endswith(" (fnn)") for _, doc in shown()["model"])


def test_every_verb_tells_its_own_keys() -> None:
    told = set()
    for verb in VERBS.values():
        lines = ctrbench(verb.name, "--help").stdout.splitlines()
        for prefix, cls in verb.settings.items():
            told.add(cls)
            for field in dataclasses.fields(cls):
                key = f"{prefix}{field.name}"
                (line,) = [line for line in lines if line.startswith(f"  {key:27} ")]
                told_of, _, default = line[30:].partition(" (default: ")
                assert told_of == meaning(field)
                if field.default_factory is dataclasses.MISSING:
                    shown_as = "" if field.default is None else f"{field.default})"
                    assert default == shown_as
    others = {cls for cls in registered() if not issubclass(cls, tuple(GROUPS))}
    assert others - told == {BudgetSettings, DownloadSettings, TunedSettings, RecipeSettings}
