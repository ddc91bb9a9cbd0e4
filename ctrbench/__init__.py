"""A benchmark of click-through-rate models, by the formulae of their papers.

``ctrbench.train("model=fm", "data=planted")`` trains a run, ``ctrbench.open_run(path)`` opens a
finished one, ``ctrbench.load_runs("results")`` returns a table of all runs, and
``ctrbench.prepare("data=planted")`` encodes rows. Nothing heavy is imported before its use.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench import runs as runs  # callable until 0.4: the old name of load_runs
from ctrbench.version import __version__ as __version__

if TYPE_CHECKING:
    import pandas as pd

    from ctrbench.data.store.opened import Store
    from ctrbench.runs.interface import Run


def open_run(path: str | Path) -> "Run":
    """Open a finished run: its config, history, logits and model.

    Raises:
        UserError: if there is none.
    """
    from ctrbench.files import expanded
    from ctrbench.runs.interface import Run

    return Run(expanded(str(path)))


def load_runs(*folders: str | Path) -> "pd.DataFrame":
    """Return a table with one row per run below the folders (default: ``results``).

    It always has the columns of model, data, seed, status, metrics and times; of the settings,
    those in which the runs differ. See :func:`ctrbench.runs.frame.select_columns`.

    Raises:
        UserError: if a folder does not exist or holds no run.
    """
    from ctrbench.runs import frame

    return frame.load_runs(*folders)


def train(*overrides: str) -> "Run":
    """Train one run, or find it finished.

    Args:
        overrides: KEY=VALUE, those of ``ctrbench train``.

    Raises:
        UserError: for overrides that do not fit, data that cannot be used, a loss
            that is not finite.
    """
    from ctrbench.runs.run import run
    from ctrbench.sweep.jobs import plan_run

    plan = plan_run(list(overrides))
    plan.results.check()
    run(plan)
    return open_run(plan.directory.path)


def prepare(*overrides: str) -> "Store":
    """Encode a data set, or find it encoded: columns, vocabularies, ids.

    Args:
        overrides: KEY=VALUE, those of ``ctrbench prepare``.

    Raises:
        UserError: for overrides that do not fit, for data that cannot be used.
    """
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(list(overrides))
    dataset.results.check()
    return dataset.prepare()
