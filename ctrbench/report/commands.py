"""The command that repeats a run."""

import shlex
from pathlib import Path

from ctrbench.config.reconstruction import reconstruct_overrides
from ctrbench.errors import UserError
from ctrbench.markdown import NONE
from ctrbench.report.html import Command
from ctrbench.runs.record import RunDirectory


def overrides_of(run: Path) -> list[str] | None:
    """Return the overrides of ``ctrbench train`` that repeat a run.

    None for a damaged config, and for a model or data set that is not known here. A config with
    keys that are no options is refused: they belong in no command.
    """
    try:
        config = RunDirectory(run).settings()
    except (UserError, OSError):  # the report lists the run as broken
        return None
    if config["model"].get("external"):
        raise UserError("its scores were imported")
    return reconstruct_overrides(config)


def command_cell(run: Path) -> str:
    """Return the command that repeats a run as a cell of a page, or why there is none."""
    try:
        overrides = overrides_of(run)
    except UserError as error:
        return f"none: {error}"
    return NONE if overrides is None else Command(shlex.join(["ctrbench", "train", *overrides]))
