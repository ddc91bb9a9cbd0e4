"""Words that are refused before or behind Hydra, which takes them, or says what does not help."""

import re

from omegaconf import DictConfig, OmegaConf

from ctrbench.command.composition.keys import given, key_of, keys_of
from ctrbench.errors import UserError
from ctrbench.layers.settings import WIDTHS, unread

NAMES = re.compile(
    r"(pretraining\.)?(trainer\.)?(?P<group>model|optimizer|schedule|budget)(\.\w+)?\.name"
)
NEEDED = ("model", "data", "optimizer", "split", "trainer", "schedule", "budget")
FOLDERS = ("tuned", "recipe")  # groups whose files lie in folders
GROUPS = (*NEEDED, *FOLDERS, "experiment")


def refuse_words(overrides: list[str]) -> None:
    """What no config has to be composed for.

    Raises:
        UserError: for a word that does not fit, by itself or beside another.
    """
    for override in overrides:
        _refuse_word(override)
    _refuse_beside_recipe(overrides)


def _refuse_word(override: str) -> None:
    """What Hydra takes, or refuses in words that do not help."""
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
    if override.startswith("~") and group in NEEDED:
        raise UserError(f"{override}: a run needs one; choose another by {name}=NAME")
    if (group in GROUPS or "/" in group) and (value == "null" or value[:1] in ("[", "{")):
        raise UserError(f"{override}: is chosen by one name: {name}=NAME")


def _refuse_beside_recipe(overrides: list[str]) -> None:
    """Another model than the recipe's: its run would stand as the recipe's in a leaderboard; and
    tuned values, which the recipe's own come before."""
    values = given(overrides)
    model, recipe = values.get("model"), values.get("recipe", "null")
    own, tuned = recipe.rpartition("/")[2], values.get("tuned", "none")
    if recipe != "null" and tuned != "none":
        raise UserError(f"tuned={tuned}: recipe={recipe} has its own values; leave one of them out")
    if model is not None and recipe != "null" and model != own:
        raise UserError(f"model={model}: recipe={recipe} is of model={own}; leave one of them out")


def refuse_unread(overrides: list[str], config: DictConfig) -> None:
    """What no part of a run reads: widths beside those that decide, by which the same weights would
    have another identity (words of a budget can still give one), and a stage that there is not.

    Raises:
        UserError: naming the key, and what has its place.
    """
    told = keys_of(overrides)
    _refuse_beside_stage(told, config)
    for option, by in unread(config.model).items():
        if f"model.{option}" in told:
            raise UserError(
                f"model.{option}: model.{by} gives {WIDTHS[by][0]}; leave one out (model.{by}=null)"
            )


def _refuse_beside_stage(told: set[str], config: DictConfig) -> None:
    """Keys of a first stage that is not trained, and of what it gives."""
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
