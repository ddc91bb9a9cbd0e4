"""Experiments: Hydra overlays that name the runs of a table or figure."""

from ctrbench.command.compose import ROOT, compose
from ctrbench.command.launch import jobs


def experiment_names() -> list[str]:
    """The files of ``experiments``."""
    return sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))


def sweep_overrides(name: str, overrides: list[str]) -> list[str]:
    """The overrides of an experiment's sweep; what the user gives takes the place of its axes."""
    sweep = compose([f"experiment={name}"]).experiment.sweep
    given = {override.partition("=")[0] for override in overrides}
    own = [f"{key}={values}" for key, values in sweep.items() if key not in given]
    return [f"experiment={name}", *own, *overrides]


def listing() -> str:
    """What can be reproduced, the number of its runs, and its time as last measured."""
    lines = [f"{'experiment':16}{'runs':>6}  time, and on what"]
    for name in experiment_names():
        about = compose([f"experiment={name}"]).experiment
        runs = len(jobs(sweep_overrides(name, [])))
        lines += [f"{name:16}{runs:>6}  {about.time}", f"{'':24}{about.title}"]
    return "\n".join(lines)
