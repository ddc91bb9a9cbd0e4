"""The scores of a run's test rows: their files and their metrics."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ctrbench import metrics
from ctrbench.data.store.opened import Part
from ctrbench.files import replacing
from ctrbench.runs.record import RunDirectory

Logits = npt.NDArray[np.float32]


def write_scores(
    directory: RunDirectory, logits_N: Logits, labels_N: npt.NDArray[np.uint8]
) -> None:
    """Write the logits and the labels of the test rows."""
    for path, array in (
        (directory.logits, logits_N),
        (directory.labels, np.packbits(labels_N)),
    ):
        with replacing(path) as file:
            np.save(file, array)


def metrics_of_rows(logits_N: Logits, rows: Part) -> dict[str, Any]:
    """Return all metrics of the scores of a split."""
    labels_N = np.asarray(rows.labels_N)
    return metrics.score(logits_N, labels_N) | metrics.beside(logits_N, labels_N, rows.groups_N)


def metrics_of_test_rows(logits_N: Logits, rows: Part) -> dict[str, Any]:
    """Return the metrics of the test rows, and the best reachable ones where they are known."""
    figures = metrics_of_rows(logits_N, rows)
    if rows.truth_N is not None:
        best = metrics.score(np.asarray(rows.truth_N), np.asarray(rows.labels_N))
        figures |= {f"best_{name}": figure for name, figure in best.items()}
        figures["excess_logloss"] = figures["logloss"] - best["logloss"]
    return figures
