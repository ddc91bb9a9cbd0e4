"""A benchmark of click-through-rate models, by the formulae of their papers.

From Python: ``ctrbench.runs("results")`` is a table of all runs, ``ctrbench.open_run(path)`` one of
them. Nothing heavy is imported before it is used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench import runs as runs

if TYPE_CHECKING:
    from ctrbench.runs.interface import Run

__version__ = "0.2.0"


def open_run(path: str | Path) -> "Run":
    """A run's config, history, logits and model.

    Raises:
        UserError: if there is none.
    """
    from ctrbench.runs.interface import Run

    return Run(Path(path))
