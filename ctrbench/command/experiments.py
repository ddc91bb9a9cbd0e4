"""Experiments: Hydra overlays that name the runs of a table or figure."""

from typing import Any

from omegaconf import DictConfig, ListConfig

from ctrbench.command.compose import choices, compose
from ctrbench.command.launch import jobs
from ctrbench.errors import UserError
from ctrbench.settings import nearest


def find_experiment(name: str) -> Any:
    """What an experiment says of itself.

    Raises:
        UserError: for one that does not exist, or has no runs.
    """
    known = choices("experiment")
    if name not in known:
        raise UserError(f"{name}: no such experiment; {nearest(name, known)}")
    about = compose([f"experiment={name}"]).experiment
    if isinstance(about, DictConfig) and "measure" in about:
        return about
    if not isinstance(about, DictConfig) or not isinstance(about.get("sweep"), DictConfig):
        raise UserError(
            f"experiment/{name}.yaml: names no runs; it needs '# @package _global_' in its first "
            "line, and experiment.sweep with the values of each key"
        )
    return about


def sweep_overrides(name: str, sweep: DictConfig, overrides: list[str]) -> list[str]:
    """The overrides of an experiment's sweep; what the user gives takes the place of its axes."""
    given = {override.partition("=")[0] for override in overrides}
    axes = {str(key): _swept(values) for key, values in sweep.items()}
    own = [f"{key}={values}" for key, values in axes.items() if key not in given]
    return [f"experiment={name}", *own, *overrides]


def _swept(values: Any) -> str:
    return ",".join(map(str, values)) if isinstance(values, ListConfig) else str(values)


def listing() -> str:
    """What can be reproduced, the number of its runs, and its time as last measured."""
    lines = [f"{'experiment':16}{'runs':>6}  time, and on what"]
    for name in choices("experiment"):
        try:
            about = find_experiment(name)
            measured = "measure" in about
            runs = "-" if measured else len(jobs(sweep_overrides(name, about.sweep, [])))
        except UserError as error:  # one's own, half written: the others are listed all the same
            lines.append(f"{name:16}{'-':>6}  {error}")
            continue
        lines.append(f"{name:16}{runs:>6}  {about.get('time', 'not measured')}")
        lines.append(f"{'':24}{about.get('title', '')}".rstrip())
    return "\n".join(lines)
