"""The command of a run, as its record keeps it: the one that repeats the run."""

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ctrbench.config.compose import compose, to_settings, with_tuned_values
from ctrbench.config.explain import quote_override
from ctrbench.config.grammar import to_text
from ctrbench.config.keys import key_of, keys_of
from ctrbench.errors import UserError
from ctrbench.runs.record import AGAIN, RunDirectory

UNSTORED = ("hydra", "results")  # keys of a command that say nothing of the run
OVERRIDE = re.compile(r"(\+{0,2}\w[\w.@/-]*=.*|~\w[\w.@/-]*(=.*)?)", re.DOTALL)
# What a run's overrides must give again; the data set's options are resolved by its files.
REPEATED = ("model", "optimizer", "trainer", "split", "pretraining", "seed", "precision")


@dataclass(frozen=True)
class Command:
    """A command that asks for a run. The run's result does not depend on it.

    Attributes:
        overrides: those of ``ctrbench train``.
        config_dir: the folder of ``--config-dir``.
        job: the number within a sweep; None for a single run.
        of_pretraining: whether the run is the pre-training run of the one that was asked for.
    """

    overrides: tuple[str, ...] = ()
    config_dir: str | None = None
    job: int | None = None
    of_pretraining: bool = False

    def record(self) -> dict[str, Any]:
        """Return what ``config.yaml`` keeps of the command."""
        stored = [word for word in self.overrides if _section(word) not in UNSTORED]
        own, later = ([], stored) if self.of_pretraining else (stored, None)
        return {
            "overrides": own,
            "pretraining_of": later,
            "config_dir": self.config_dir,
            "job": self.job,
        }


NO_COMMAND = Command()


def _section(override: str) -> str:
    return re.split(r"[./@]", key_of(override))[0]


def arguments_of(config: dict[str, Any]) -> list[str] | None:
    """Return the arguments of ``ctrbench train`` that repeat a run; those of a pre-training run are
    the ones of the run that it was made for. None of a run of before 0.3.

    Args:
        config: as :meth:`ctrbench.runs.record.RunDirectory.settings` reads it.

    Raises:
        UserError: for a record of another program, and for scores that were imported.
    """
    if config["model"].get("external"):
        raise UserError("its scores were imported")
    overrides, folder = config.get("overrides"), config.get("config_dir")
    overrides = config.get("pretraining_of") or overrides
    if overrides is None:
        return None
    if not isinstance(overrides, list) or not all(map(_is_stored, overrides)):
        raise UserError(f"overrides: {overrides!r:.60} in its config are not those of a command")
    if folder is not None and (not isinstance(folder, str) or folder.startswith("-")):
        raise UserError(f"config_dir: {folder!r:.60} in its config is not a folder")
    return [*([] if folder is None else ["--config-dir", folder]), *overrides]


def _is_stored(override: Any) -> bool:
    is_override = isinstance(override, str) and OVERRIDE.fullmatch(override) is not None
    return is_override and _section(override) not in UNSTORED


def repeated_overrides(run: Path, overrides: list[str], config_dir: str | None) -> list[str]:
    """Return the overrides of a run with others in place of those of the same key.

    Args:
        config_dir: the folder that the command names; one that a record names is not searched.

    Raises:
        UserError: for a run that is damaged, keeps no overrides, or that they do not repeat here.
    """
    directory = RunDirectory(run)
    config = directory.settings()
    is_ended = (run / directory.ended).exists()
    if is_ended and (damaged := directory.damaged()) is not None:
        raise UserError(f"{damaged}: damaged or missing; {AGAIN}")
    if config.get("pretraining_of"):
        raise UserError(f"{run}: was pre-trained for another run; name that one")
    try:
        arguments = arguments_of(config)
    except UserError as error:
        raise UserError(f"{run}: {error}") from None
    if arguments is None:
        raise UserError(f"{run}: keeps no overrides, being of before 0.3; give them yourself")
    if arguments[:1] == ["--config-dir"]:
        if config_dir is None:
            raise UserError(f"{run}: was trained with {' '.join(arguments[:2])}; give that too")
        arguments = arguments[2:]
    _check_repeats(run, config, arguments, keys_of(overrides))
    own = [word for word in arguments if key_of(word) not in keys_of(overrides)]
    return [*own, *overrides, *_results_of(run, overrides)]


def _check_repeats(
    run: Path, config: dict[str, Any], overrides: list[str], changed: set[str]
) -> None:
    """Refuse a run whose overrides give other settings here, by the present YAML files."""
    try:
        here = asdict(to_settings(compose(with_tuned_values(overrides))))
    except UserError as error:
        raise UserError(f"{run}: its overrides are not taken here: {error}") from None
    for key, recorded, value in _differences(config, here, REPEATED):
        if not any(key == name or key.startswith(f"{name}.") for name in changed):
            raise UserError(
                f"{run}: its record says {key}={to_text(recorded)}, and its overrides give "
                f"{to_text(value)} here, by other YAML files; add {key}={to_text(recorded)}"
            )


def _differences(
    one: dict[str, Any], other: dict[str, Any], keys: Iterable[str], path: str = ""
) -> list[tuple[str, Any, Any]]:
    """Return the dotted keys of nested values that differ, with both values."""
    found = []
    for key in keys:
        value, other_value = one.get(key), other.get(key)
        if isinstance(value, dict) and isinstance(other_value, dict):
            names = dict.fromkeys([*value, *other_value])
            found += _differences(value, other_value, names, f"{path}{key}.")
        elif value != other_value:
            found.append((f"{path}{key}", value, other_value))
    return found


def _results_of(run: Path, overrides: list[str]) -> list[str]:
    """Return ``results=`` of the folder that a run lies in, unless the overrides name one or it
    lies elsewhere."""
    above = run.absolute().parents
    if "results" in keys_of(overrides) or len(above) < 4 or above[2].name != "runs":
        return []
    return [quote_override("results", os.path.relpath(above[3]))]
