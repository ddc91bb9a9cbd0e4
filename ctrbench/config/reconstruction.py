"""Reconstruct the overrides of a run from its config."""

import dataclasses
import re
from functools import cache
from typing import Any

from ctrbench.config.compose import choices, compose, to_settings
from ctrbench.config.explain import quote_override
from ctrbench.errors import UserError
from ctrbench.layers.settings import unread

# What says where a run is from, and is no setting of it.
PLACES = ("results", "experiment", "budget", "recipe", "classes", "tuned", "overrides", "job")
MAPPINGS = ("trainer.monitor", "pretraining.trainer.monitor")  # whose keys are values
PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.+-]*")  # what Hydra reads as text without quotes
WORDS = ("null", "true", "false", "nan", "inf")  # which it does not


def reconstruct_overrides(config: dict[str, Any]) -> list[str] | None:
    """Return the overrides with which ``ctrbench train`` repeats a run, relative to the defaults of
    the present YAML files; None if its model or data set does not exist.

    Args:
        config: as :meth:`ctrbench.runs.record.RunDirectory.settings` reads it.
    """
    try:
        chosen = _choices(config)
        defaults = _defaults(tuple(chosen))
    except (UserError, KeyError, TypeError, AttributeError):
        return None
    values = _values_to_give(config)
    if unknown := _unknown(values, defaults):
        raise UserError(f"its config has keys that are no options here: {', '.join(unknown)}")
    return chosen + _differences(values, defaults)


def _values_to_give(config: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a config that overrides can give. Options that change nothing are left
    out, because a command refuses them; neurons among them affect the identity, so they are given
    through the budget."""
    values = {key: value for key, value in config.items() if key not in PLACES}
    model, stage = values["model"], values.get("pretraining")
    if stage is not None:
        stage_values = (
            {"run": stage["run"]} if stage.get("run") else stage
        )  # nothing else is read then
        values["pretraining"] = {
            key: value for key, value in stage_values.items() if key not in PLACES
        }
    unread_values = {key: model[key] for key in unread(model) if key in model}
    unread_values |= {"init_std": None} if model.get("pretrain") else {}
    values["model"] = {key: value for key, value in model.items() if key not in unread_values}
    return values | (
        {"budget": {"neurons": unread_values["neurons"]}} if "neurons" in unread_values else {}
    )


def _choices(config: dict[str, Any]) -> list[str]:
    """Return the overrides that choose YAML files."""
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
    schedules, default_schedules = (_schedules(each) for each in (config, _defaults(tuple(words))))
    return words + [
        f"{group}={schedules[group]}"
        for group in schedules
        if schedules[group] != default_schedules.get(group)
    ]


def _untuned(config: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the overrides that turn off tuned values which are not the run's; its own values
    follow one by one."""
    pairs: dict[str, tuple[Any, Any]] = {"tuned": (config, other)}
    if (stage := config.get("pretraining")) and not stage.get("run"):
        pairs["tuned@pretraining"] = (stage, other.get("pretraining"))
    return [
        f"{key}=none"
        for key, (own, theirs) in pairs.items()
        if own and theirs and theirs.get("tuned") not in (None, own.get("tuned"))
    ]


def _schedules(config: dict[str, Any]) -> dict[str, str]:
    """Return the name of each schedule by its group; before 0.2.0 there was only the constant."""
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
    """Return ``KEY=VALUE`` for every value that differs; a pre-training run that is absent is no
    key."""
    words = []
    for key, value in own.items():
        other_value = other.get(key)
        if isinstance(value, dict) and isinstance(other_value, dict):
            words += _differences(value, other_value, f"{path}{key}.")
        elif value != other_value and not (value is None and isinstance(other_value, dict)):
            words.append(_override(f"{path}{key}", value))
    return words


def _unknown(own: dict[str, Any], other: dict[str, Any], path: str = "") -> list[str]:
    """Return the keys that are not in the other; of a value that may be a mapping, any are."""
    unknown = []
    for key, value in own.items():
        name = f"{path}{key}"
        is_no_stage = name == "pretraining" and isinstance(value, dict) and other.get(name) is None
        if key not in other or is_no_stage:
            unknown.append(name)
        elif isinstance(value, dict) and isinstance(other[key], dict) and name not in MAPPINGS:
            unknown += _unknown(value, other[key], f"{name}.")
    return unknown


def _override(key: str, value: Any) -> str:
    """Write an override in Hydra's grammar."""
    return f"{key}={_value_text(value)}"


def _value_text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_value_text, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_value_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str) and (not PLAIN.fullmatch(value) or value.lower() in WORDS):
        return quote_override("", value)[1:]
    return str(value)
