"""The result of a search, as YAML that a run takes."""

import shlex
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import optuna
import yaml
from omegaconf import OmegaConf
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ctrbench.config.compose import compose
from ctrbench.config.keys import drop_key, key_of, values_by_key
from ctrbench.config.suggestions import dotted_keys
from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.markdown import Rows
from ctrbench.tune.request import OVERRIDES, Request
from ctrbench.tune.space import SECTIONS
from ctrbench.version import __version__

BEST = 5  # trials of a model, in the table that ends a search


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        text: the file of the values, and the command that takes them.
        trials: the best ones, as rows of a table.
    """

    text: str
    trials: Rows


def write_found(request: Request, study: optuna.Study, folder: Path) -> SearchResult:
    """Write the values of the best trial as ``tuned/DATA/MODEL.yaml`` into a folder of YAML files.

    The values are those of the best trial and what its words gave the model, the optimizer and the
    trainer, so that the run that takes them is that of the trial.
    """
    trials = study.get_trials(deepcopy=False)  # read once: another process may add to them
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        keys = " or ".join(f"search.{key}" for key in request.base.settings.optimizer.rates())
        raise UserError(f"model={request.model}: no trial came to an end; lower {keys}")
    choose = max if study.direction == StudyDirection.MAXIMIZE else min
    best = choose(complete, key=lambda trial: cast(float, trial.value))
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    found, about = best.user_attrs[OVERRIDES], _about(request, best, len(complete), pruned)
    values = _nested_values(request, found) | {"tuned": about}
    path = folder / "tuned" / request.data / f"{request.model}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, f"# @package _global_\n{yaml.safe_dump(values, sort_keys=False)}")
    is_higher = study.direction == StudyDirection.MAXIMIZE
    ranked = sorted(complete, key=lambda trial: cast(float, trial.value), reverse=is_higher)
    text = f"{_summary(about, path)}\n{_command(request, found, folder)}"
    return SearchResult(text, [_row(request.model, trial) for trial in ranked[:BEST]])


def _row(model: str, trial: FrozenTrial) -> dict[str, str]:
    valid = trial.user_attrs["valid"]
    return {
        "model": model,
        "valid AUC": f"{valid['auc']:.5f}",
        "valid logloss": f"{valid['logloss']:.5f}",
        "settings": " ".join(trial.user_attrs[OVERRIDES]),
    }


def next_command(requests: list[Request], folder: Path) -> str:
    """Return the command that trains every model with the values found for it."""
    request = requests[0]
    shared = drop_key("model", drop_key("tuned", request.given))
    own = [word for word in shared if key_of(word) not in request.fixed]
    own += [word for word in shared if key_of(word).startswith("trainer.")]
    seeds = [] if "seed" in values_by_key(own) else ["seed=0,1,2"]
    models = ",".join(each.model for each in requests)
    words = ["-m", "--config-dir", str(folder), f"model={models}", *own, *seeds]
    return f"ctrbench train {shlex.join(words)}"


def _nested_values(request: Request, words: list[str]) -> dict[str, Any]:
    """Return the value of every key that overrides or tuned= give, nested."""
    config = compose([*request.words, *words])
    keys = [*_tuned_keys(request), *request.fixed, *values_by_key(words)]
    found = OmegaConf.create({})
    for key in ["optimizer.name", *keys]:  # with another optimizer they are refused
        OmegaConf.update(found, key, OmegaConf.select(config, key), force_add=True)
    values: dict[str, Any] = OmegaConf.to_container(found)  # type: ignore[assignment]
    return values


def _tuned_keys(request: Request) -> list[str]:
    """Return the keys whose values are those of tuned=DATA/MODEL."""
    others = compose([*drop_key("tuned", request.words), "tuned=none"])
    sections: dict[str, Any] = {
        name: OmegaConf.to_container(request.config[name]) for name in SECTIONS
    }
    keys = [key for name, values in sections.items() for key in dotted_keys(values, name)]
    return [k for k in keys if OmegaConf.select(request.config, k) != OmegaConf.select(others, k)]


def _about(request: Request, best: FrozenTrial, complete: int, pruned: int) -> dict[str, Any]:
    base = request.base
    return {
        "trials": complete + pruned,
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
            "ctrbench": __version__,
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
    """Return the command that trains the run of the best trial. The trainer's values are repeated,
    because a budget's take precedence over a file's; beside a recipe, which takes precedence over
    tuned values, all values are."""
    if "recipe" in values_by_key(request.given):
        words = [f"model={request.model}", *drop_key("tuned", request.given), *found]
        return f"  ctrbench train {shlex.join(words)}"
    own = [w for w in drop_key("tuned", request.given) if key_of(w) not in request.fixed]
    trainer = [w for w in (*request.given, *found) if key_of(w).startswith("trainer.")]
    tuned = f"tuned={request.data}/{request.model}"
    words = ["--config-dir", str(folder), f"model={request.model}", *own, tuned, *trainer]
    return f"  ctrbench train {shlex.join(words)}"
