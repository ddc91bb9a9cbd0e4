"""What a search found, as YAML that a run takes."""

import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
import yaml
from omegaconf import OmegaConf
from optuna.trial import TrialState

import ctrbench
from ctrbench.command.composition.compose import compose
from ctrbench.command.composition.keys import given, key_of, without
from ctrbench.command.composition.meant import leaves
from ctrbench.command.tune.request import Request
from ctrbench.command.tune.space import SECTIONS
from ctrbench.errors import UserError
from ctrbench.files import write_atomic


def write_found(request: Request, study: optuna.Study, folder: Path) -> str:
    """Write ``tuned/DATA/MODEL.yaml`` into a folder of YAML files; says what, and what takes it.

    The values are those of the best trial and what its words gave the model, the optimizer and the
    trainer, so that the run that takes them is that of the trial.

    Raises:
        UserError: if no trial came to its end.
    """
    ended = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if not ended:
        keys = " or ".join(f"search.{key}" for key in request.base.settings.optimizer.rates())
        raise UserError(f"model={request.model}: no trial came to an end; lower {keys}")
    found, about = study.best_trial.user_attrs["words"], _about(request, study)
    values = _values(request, found) | {"tuned": about}
    path = folder / "tuned" / request.data / f"{request.model}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, f"# @package _global_\n{yaml.safe_dump(values, sort_keys=False)}")
    return f"{_summary(about, path)}\n{_command(request, found, folder)}"


def _values(request: Request, words: list[str]) -> dict[str, Any]:
    """Of every key that the words give a value, by themselves or by tuned=, nested."""
    config = compose([*request.words, *words])
    keys = [*_taken(request), *request.fixed, *given(words)]
    found = OmegaConf.create({})
    for key in ["optimizer.name", *keys]:  # with another optimizer they are refused
        OmegaConf.update(found, key, OmegaConf.select(config, key), force_add=True)
    values: dict[str, Any] = OmegaConf.to_container(found)  # type: ignore[assignment]
    return values


def _taken(request: Request) -> list[str]:
    """The keys whose values are those of tuned=DATA/MODEL."""
    others = compose([*without("tuned", request.words), "tuned=none"])
    sections: dict[str, Any] = {
        name: OmegaConf.to_container(request.config[name]) for name in SECTIONS
    }
    keys = [key for name, values in sections.items() for key in leaves(values, name)]
    return [k for k in keys if OmegaConf.select(request.config, k) != OmegaConf.select(others, k)]


def _about(request: Request, study: optuna.Study) -> dict[str, Any]:
    best, base = study.best_trial, request.base
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    pruned = states.count(TrialState.PRUNED)
    return {
        "trials": states.count(TrialState.COMPLETE) + pruned,
        "pruned": pruned,
        "seed": base.settings.seed,
        "monitor": base.settings.trainer.monitor,
        "valid": best.user_attrs["valid"],
        "epochs": base.settings.trainer.epochs,
        "patience": base.settings.trainer.patience,
        "min_epochs": base.settings.trainer.min_epochs,
        "budget": base.settings.budget.name,
        "identity": best.user_attrs["identity"],
        "content": base.content,
        "rows": base.prepare().summary()["rows"],
        "split": OmegaConf.to_container(request.config.split),
        "search": {one.key: one.text for one in request.space},
        "versions": {
            "ctrbench": ctrbench.__version__,
            **{name: version(name) for name in ("torch", "optuna")},
        },
    }


def _summary(about: dict[str, Any], path: Path) -> str:
    valid = about["valid"]
    return (
        f"{path}: valid AUC {valid['auc']:.5f}, logloss {valid['logloss']:.5f}, the best of "
        f"{about['trials']} trials ({about['pruned']} ended early)"
    )


def _command(request: Request, found: list[str], folder: Path) -> str:
    """What trains the run of the best trial. The trainer's values are said again, since a budget's
    come before those of a file; beside a recipe, which comes before tuned values, all are."""
    if "recipe" in given(request.given):
        words = [f"model={request.model}", *without("tuned", request.given), *found]
        return f"  ctrbench train {shlex.join(words)}"
    own = [w for w in without("tuned", request.given) if key_of(w) not in request.fixed]
    trainer = [w for w in (*request.given, *found) if key_of(w).startswith("trainer.")]
    tuned = f"tuned={request.data}/{request.model}"
    words = ["--config-dir", str(folder), f"model={request.model}", *own, tuned, *trainer]
    return f"  ctrbench train {shlex.join(words)}"
