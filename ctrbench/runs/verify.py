"""Whether the record of a finished run agrees with the files that lie beside it."""

import math
from pathlib import Path
from typing import Any

from ctrbench import metrics
from ctrbench.errors import UserError, one_line
from ctrbench.runs.interface import Run
from ctrbench.runs.record import ANEW

TOLERANCE = 1e-6  # of sums in another order, relative
SELECTING = ("auc", "logloss")


def disagreement(path: Path) -> str | None:
    """Say what of a finished run is damaged, or was changed since it was written; None if nothing.

    AUC and logloss of the test rows are computed again where logits and labels are there, those of
    the validation rows are looked up in the history.
    """
    try:
        run = Run(path)
        _check_history(run)
        _check_scores(run)
    except (UserError, OSError) as error:
        return one_line(error)
    return None


def _check_history(run: Run) -> None:
    """Raise if the validation metrics of the record are those of no evaluation."""
    history, recorded = run.history, (run.result or {})["metrics"]["valid"]
    names = [f"valid_{name}" for name in SELECTING]
    if not set(names) <= set(history.columns):
        return
    wanted = [recorded[name] for name in SELECTING]
    for values in history[names].itertuples(index=False):
        if all(map(_agree, values, wanted)):
            return
    raise UserError(
        f"{run.path}/result.json: metrics.valid is of no evaluation in "
        f"{run.directory.history.name}; {ANEW}"
    )


def _check_scores(run: Run) -> None:
    """Raise if the test metrics of the record are not those of the logits and labels."""
    if not has_predictions(run):
        return
    recorded = (run.result or {})["metrics"]["test"]
    logits, labels = run.logits, run.labels
    if len(logits) != len(labels):
        raise UserError(
            f"{run.directory.logits}: {len(logits):,} values of {len(labels):,} test rows; {ANEW}"
        )
    if labels.min() == labels.max():
        raise UserError(f"{run.path}: test rows of one class; {ANEW}")
    weights = run.row_weights
    computed = metrics.score(logits, labels, weights)
    computed |= metrics.beside(logits, labels, None, weights, run.negative_rate)
    for name, value in computed.items():
        if name in recorded and not _agree(recorded[name], value):
            raise UserError(
                f"{run.path}/result.json: metrics.test.{name} is {recorded[name]}, but {value} by "
                f"its logits and labels; {ANEW}"
            )


def has_predictions(run: Run) -> bool:
    """Return whether logits and labels are there, to compute the test metrics of a run again."""
    has_labels = run.directory.labels.exists() or run.store is not None
    return has_labels and run.directory.logits.exists()


def _agree(one: Any, other: Any) -> bool:
    numbers = all(isinstance(value, int | float) for value in (one, other))
    return numbers and math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
