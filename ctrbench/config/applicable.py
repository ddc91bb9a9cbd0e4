"""Options that only some jobs of a sweep have: those of their model, data set or optimizer."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from ctrbench.config.compose import compose_choices
from ctrbench.config.keys import key_of

CHOSEN_BY = {"model": "model", "pretraining": "model", "optimizer": "optimizer", "data": "data"}
PRETRAINED = "model.init_std"  # given by the first stage of a model that is pre-trained


def keep_applicable(jobs: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Leave an option out of the jobs that do not have it, where another job of the sweep does.

    An option that no job has stays, to be refused as unknown.

    Returns:
        The overrides of each job, and a note on each option that was left out.
    """
    keys = {key_of(word) for job in jobs for word in job}
    keys = {key for key in keys if key.partition(".")[0] in CHOSEN_BY and "." in key}
    if len(jobs) == 1 or not keys:
        return jobs, []
    configs = compose_choices(jobs)
    left_out: dict[str, list[str]] = {}
    for key in sorted(keys):
        without = [not has_option(config, key) for config in configs]
        if any(without) and not all(without):
            left_out[key] = _names(key, configs, without)
            jobs = [
                [word for word in job if key_of(word) != key] if lacks else job
                for job, lacks in zip(jobs, without, strict=True)
            ]
    notes = [
        f"{key}: left out for {', '.join(names)}, which has no such option"
        for key, names in left_out.items()
    ]
    return jobs, notes


def _names(key: str, configs: list[DictConfig], without: list[bool]) -> list[str]:
    """Return the choices that lack an option, as ``model=fm``."""
    group = CHOSEN_BY[key.partition(".")[0]]
    lacking = [config for config, lacks in zip(configs, without, strict=True) if lacks]
    return list(dict.fromkeys(f"{group}={config[group].get('name')}" for config in lacking))


def has_option(config: DictConfig, key: str) -> bool:
    """Return whether a run reads an option. Below a value that is not set, any key is possible."""
    is_pretrained = "pretrain" in config.model
    if key.startswith("pretraining."):
        return is_pretrained
    if key == PRETRAINED and is_pretrained:
        return False
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, DictConfig):
            return True
        if part not in node:
            return False
        node = None if OmegaConf.is_missing(node, part) else node[part]
    return True
