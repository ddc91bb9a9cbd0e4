"""Refuse overrides that Hydra accepts without effect, or refuses with an unhelpful message."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ctrbench.config.keys import key_of, keys_of, values_by_key
from ctrbench.errors import UserError
from ctrbench.layers.settings import WIDTHS, unread

NAMES = re.compile(
    r"(pretraining\.)?(trainer\.)?(?P<group>model|optimizer|schedule|budget)(\.\w+)?\.name"
)
NEEDED = ("model", "data", "optimizer", "split", "trainer", "schedule", "budget")
FOLDERS = ("tuned", "recipe")  # groups whose files lie in folders
GROUPS = (*NEEDED, *FOLDERS, "experiment")
HYDRA_SETTINGS = ("hydra.launcher", "hydra.sweeper", "hydra.job.name", "hydra.job.env_set")
HYDRA_RECORDS = ("hydra.overrides", "hydra.runtime", "hydra.job.override_dirname")
HYDRA_OWN = (*HYDRA_RECORDS, "hydra.mode")
SWEEPER_PARAMS = "hydra.sweeper.params"
SWEEPER_PARAMS_INSTEAD = "values to sweep are an override of their own"
_FOLDER = "everything goes below one folder; name it with results=FOLDER"
_LOGGING = "messages go to standard error; HYDRA_FULL_ERROR=1 adds tracebacks"
INSTEAD = {  # of settings of Hydra that ctrbench does not read
    "hydra.sweep": _FOLDER,
    "hydra.run": _FOLDER,
    "hydra.output_subdir": _FOLDER,
    "hydra.verbose": _LOGGING,
    "hydra.job_logging": _LOGGING,
    "hydra.hydra_logging": _LOGGING,
    "hydra.job.chdir": "a run stays in the folder that the command was started in",
    "hydra.searchpath": "name a folder of YAML files with --config-dir DIR",
    "hydra.callbacks": "a run is followed by tracker=NAME and read by ctrbench.open_run",
}


def refuse_overrides(overrides: list[str]) -> None:
    """Refuse overrides that are wrong whatever the config is."""
    for override in overrides:
        _refuse_override(override)
    _refuse_beside_recipe(overrides)


def _refuse_override(override: str) -> None:
    """Refuse an override that Hydra accepts, or refuses with an unhelpful message."""
    value, name = override.partition("=")[2], key_of(override)
    group = name.partition("@")[0]
    if not group:
        raise UserError(f"{override}: not KEY=VALUE")
    if (named := NAMES.fullmatch(name)) is not None:  # it belongs to the class
        by = named["group"]
        raise UserError(f"{override}: a name is no option; it is chosen by {by}=NAME")
    if name.endswith("trainer.schedule") and "@" not in name:
        stage = "" if name == "trainer.schedule" else f"@{name}"
        raise UserError(f"{override}: is chosen by schedule{stage}=NAME")
    if name.startswith(SWEEPER_PARAMS):
        key = name.removeprefix(SWEEPER_PARAMS).removeprefix(".") or "KEY"
        raise UserError(f"{override}: {SWEEPER_PARAMS_INSTEAD}: {key}=A,B")
    if _is_below(name, HYDRA_RECORDS):
        raise UserError(f"{override}: has no effect here; Hydra writes it")
    if override.startswith("~") and group in NEEDED:
        raise UserError(f"{override}: a run needs one; choose another by {name}=NAME")
    if (group in GROUPS or "/" in group) and (value == "null" or value[:1] in ("[", "{")):
        raise UserError(f"{override}: is chosen by one name: {name}=NAME")


def _refuse_beside_recipe(overrides: list[str]) -> None:
    """Refuse another model than the recipe's, whose run would count as the recipe's in a
    leaderboard, and tuned values, over which the recipe's take precedence."""
    values = values_by_key(overrides)
    model, recipe = values.get("model"), values.get("recipe", "null")
    recipe_model, tuned = recipe.rpartition("/")[2], values.get("tuned", "none")
    if recipe != "null" and tuned != "none":
        raise UserError(f"tuned={tuned}: recipe={recipe} has its own values; leave one of them out")
    if model is not None and recipe != "null" and model != recipe_model:
        raise UserError(
            f"model={model}: recipe={recipe} is of model={recipe_model}; leave one of them out"
        )


# Options of a model that change nothing where another one has this value.
UNREAD_WHERE = {
    "experts": ("rank", None),
    "first_context": ("gate", None),
    "second_context": ("gate", None),
    "mask_blocks": ("structure", "serial"),
    "mask_units": ("structure", "serial"),
}


def refuse_unread(overrides: list[str], config: DictConfig) -> None:
    """Refuse options that no part of the run reads: widths that others replace, by which the same
    weights would have another identity (the budget may still set one), and options of an absent
    pre-training run."""
    keys = keys_of(overrides)
    _refuse_pretraining_options(keys, config)
    for option, by in unread(config.model).items():
        if f"model.{option}" in keys:
            raise UserError(
                f"model.{option}: model.{by} gives {WIDTHS[by][0]}; leave one out (model.{by}=null)"
            )
    for option, (other, value) in UNREAD_WHERE.items():
        if f"model.{option}" in keys and config.model.get(other, ...) == value:
            value_text = "null" if value is None else value
            raise UserError(
                f"model.{option}: changes nothing with model.{other}={value_text}; "
                f"set model.{other}, or leave model.{option} out"
            )


def _refuse_pretraining_options(told: set[str], config: DictConfig) -> None:
    """Refuse options of a pre-training run that is not trained, and of what it replaces."""
    stage = OmegaConf.select(config, "pretraining.model.name")  # tuned values alone make none
    for key in told:
        if not key.startswith("pretraining."):
            continue
        if stage is None or not config.model.get("pretrain"):
            why = "" if stage is None else " with model.pretrain=false"
            raise UserError(f"{key}: model={config.model.name} has no pre-training{why}")
        if key != "pretraining.run" and config.pretraining.run is not None:
            raise UserError(f"{key}: pretraining.run names a trained run; leave one of them out")
    if "model.init_std" in told and config.model.get("pretrain"):
        raise UserError(
            "model.init_std: pre-training gives the embeddings; set pretraining.model.init_std, or "
            "model.pretrain=false"
        )


def refuse_hydra_settings(config: DictConfig, default: DictConfig) -> None:
    """Refuse settings of Hydra that have no effect here, in overrides and in YAML files.

    Args:
        config: the node ``hydra`` of a composed config.
        default: the same of a config without overrides.
    """
    values, defaults = (
        dict(_leaves(OmegaConf.to_container(node), "hydra")) for node in (config, default)
    )
    for key in values.keys() | defaults.keys():
        if values.get(key) != defaults.get(key) and _is_below(key, (SWEEPER_PARAMS,)):
            raise UserError(f"{key}: {SWEEPER_PARAMS_INSTEAD}: KEY=A,B")
        if values.get(key) != defaults.get(key) and not _is_below(key, HYDRA_SETTINGS + HYDRA_OWN):
            why = next((INSTEAD[name] for name in INSTEAD if _is_below(key, (name,))), None)
            takes = ", ".join(HYDRA_SETTINGS)
            raise UserError(f"{key}: has no effect here; {why or f'ctrbench reads {takes}'}")


def _is_below(key: str, names: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys and values of a nested value."""
    if not isinstance(value, dict):
        yield path, value
        return
    for key, item in value.items():
        yield from _leaves(item, f"{path}.{key}")
