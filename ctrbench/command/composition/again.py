"""The words of a command that make a run again."""

import dataclasses
import re
from functools import cache
from typing import Any

from ctrbench.command.composition.compose import choices, compose, to_settings
from ctrbench.command.composition.explain import quoted
from ctrbench.errors import UserError
from ctrbench.layers.settings import unread

# What says where a run is from, and is no setting of it.
PLACES = ("results", "experiment", "budget", "recipe", "classes", "tuned")
PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.+-]*")  # what Hydra reads as text without quotes
WORDS = ("null", "true", "false", "nan", "inf")  # which it does not


def words_of(config: dict[str, Any]) -> list[str] | None:
    """What ``ctrbench train`` is to be told, beside the defaults of today's YAML files, for a run
    of a config; None where there is no such model or data set.

    Args:
        config: as :meth:`ctrbench.runs.record.RunDirectory.settings` reads it.
    """
    try:
        chosen = _choices(config)
        defaults = _defaults(tuple(chosen))
    except (UserError, KeyError, TypeError, AttributeError):
        return None
    return chosen + _differences(_told(config), defaults)


def _told(config: dict[str, Any]) -> dict[str, Any]:
    """What words say of a config: not the options that change nothing, for a command refuses them;
    neurons among them, which decide the identity, are the budget's."""
    own = {key: value for key, value in config.items() if key not in PLACES}
    model, stage = own["model"], own.get("pretraining")
    if stage is not None:
        told = {"run": stage["run"]} if stage.get("run") else stage  # nothing else is read then
        own["pretraining"] = {key: value for key, value in told.items() if key not in PLACES}
    lost = {key: model[key] for key in unread(model) if key in model}
    lost |= {"init_std": None} if model.get("pretrain") else {}
    own["model"] = {key: value for key, value in model.items() if key not in lost}
    return own | ({"budget": {"neurons": lost["neurons"]}} if "neurons" in lost else {})


def _choices(config: dict[str, Any]) -> list[str]:
    """The words that choose YAML files."""
    data, model, recipe = config["data"]["name"], config["model"]["name"], config.get("recipe")
    if recipe is not None:
        words = [f"recipe={recipe['source']}/{recipe['data']}/{model}"]
        words += [f"data={data}"] if data != recipe["data"] and data in _known("data") else []
    else:
        layout = data if data in _known("data") else config["classes"]["data"]  # of rows named anew
        words = [f"model={model}", f"data={layout}"]
    optimizer = config["optimizer"]["name"]
    if _defaults(tuple(words))["optimizer"]["name"] != optimizer:
        words += [f"optimizer={optimizer}", "tuned=none"]  # tuned values are of one optimizer
    words += _untuned(config, _defaults(tuple(words)))
    own, default = (_schedules(each) for each in (config, _defaults(tuple(words))))
    return words + [f"{group}={own[group]}" for group in own if own[group] != default.get(group)]


def _untuned(config: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The words against tuned values that are not those of the run: its own are told one by one."""
    pairs: dict[str, tuple[Any, Any]] = {"tuned": (config, other)}
    if (stage := config.get("pretraining")) and not stage.get("run"):
        pairs["tuned@pretraining"] = (stage, other.get("pretraining"))
    return [
        f"{key}=none"
        for key, (own, theirs) in pairs.items()
        if own and theirs and theirs.get("tuned") not in (None, own.get("tuned"))
    ]


def _schedules(config: dict[str, Any]) -> dict[str, str]:
    """The name of each schedule by its group; there was but one before 0.2.0, the constant."""
    trainers = {"schedule": config["trainer"]}
    if (stage := config.get("pretraining")) and not stage.get("run"):
        trainers["schedule@pretraining.trainer.schedule"] = stage["trainer"]
    return {
        group: (trainer.get("schedule") or {}).get("name", "constant")
        for group, trainer in trainers.items()
    }


@cache
def _known(group: str) -> list[str]:
    return choices(group)


@cache
def _defaults(words: tuple[str, ...]) -> dict[str, Any]:
    return dataclasses.asdict(to_settings(compose(list(words))))


def _differences(own: dict[str, Any], other: dict[str, Any], path: str = "") -> list[str]:
    """``KEY=VALUE`` of all that is not as in the other; a stage that there is not is no key."""
    words = []
    for key, value in own.items():
        theirs = other.get(key)
        if isinstance(value, dict) and isinstance(theirs, dict):
            words += _differences(value, theirs, f"{path}{key}.")
        elif value != theirs and not (value is None and isinstance(theirs, dict)):
            words.append(_word(f"{path}{key}", value))
    return words


def _word(key: str, value: Any) -> str:
    """In Hydra's grammar."""
    return f"{key}={_said(value)}"


def _said(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_said, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_said(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str) and (not PLAIN.fullmatch(value) or value.lower() in WORDS):
        return quoted("", value)[1:]
    return str(value)
