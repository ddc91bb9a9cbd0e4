"""The command that repeats a run."""

import shlex
from pathlib import Path

from ctrbench.errors import UserError
from ctrbench.markdown import NONE
from ctrbench.report.html import Command
from ctrbench.runs.command import arguments_of
from ctrbench.runs.record import RunDirectory


def command_cell(run: Path) -> str:
    """Return the command that repeats a run as a cell of a page, or why there is none."""
    try:
        config = RunDirectory(run).settings()
    except (UserError, OSError):  # the report lists the run as broken
        return NONE
    try:
        arguments = arguments_of(config)
    except UserError as error:
        return f"none: {error}"
    return NONE if arguments is None else Command(shlex.join(["ctrbench", "train", *arguments]))
