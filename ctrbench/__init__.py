"""A benchmark of click-through-rate models, by the formulae of their papers.

``ctrbench.train("model=fm", "data=planted")`` trains a run, ``ctrbench.open_run(path)`` opens a
finished one, ``ctrbench.load_runs("results")`` returns a table of all runs, and
``ctrbench.prepare("data=planted")`` encodes rows. Nothing heavy is imported before its use.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def import_scores(
    name: str,
    *overrides: str,
    valid: Any,
    test: Any,
    seed: int = 0,
    train_s: float | None = None,
    note: str | None = None,
    column: str | None = None,
    logits: bool = False,
) -> "Run":
    """Store the scores that another system gave for a data set as a run of it.

    Args:
        name: of the system, in place of a model's.
        overrides: KEY=VALUE, those of the data set and its split.
        valid: the scores of the validation rows: an array, a data frame of pandas, polars or Arrow,
            or the path of a file in CSV, TSV, Parquet or .npy. Where it has a column of row numbers
            (``row``) they may stand in any order, where it has labels these are compared.
        test: the scores of the test rows.
        seed: that the system was trained with.
        train_s: seconds that its training took.
        note: what gave the scores: version, settings.
        column: of the scores; None: ``probability``, ``logit``, or the only one.
        logits: whether they are logits.

    Raises:
        UserError: for scores that are not one finite probability for each row, for other labels, a
            name that is a model's, and other scores than those of an earlier call.
    """
    from ctrbench.config.verb_settings import ImportSettings
    from ctrbench.runs.external import ExternalRun
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(list(overrides))
    dataset.results.check()
    settings = ImportSettings(seed=seed, train_s=train_s, note=note, column=column, logits=logits)
    directory = ExternalRun(name, dataset, settings, overrides).store(valid, test)
    return open_run(directory.path)


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
