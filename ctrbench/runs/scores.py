"""The scores of a run's test rows: their files and their metrics."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ctrbench import metrics
from ctrbench.data.store.opened import Part
from ctrbench.files import replacing
from ctrbench.runs.record import RunDirectory

Logits = npt.NDArray[np.float32]


def write_scores(directory: RunDirectory, logits_N: Logits, rows: Part) -> list[Path]:
    """Write the logits, the labels and the weights, if there are any, of the test rows; return the
    files."""
    arrays: dict[Path, npt.NDArray[Any]] = {
        directory.logits: logits_N,
        directory.labels: np.packbits(rows.labels_N),
    }
    if rows.weights_N is not None:
        arrays[directory.row_weights] = np.asarray(rows.weights_N)
    return _write(arrays)


def write_valid_scores(directory: RunDirectory, logits_N: Logits, rows: Part) -> list[Path]:
    """Write the logits and the labels of the validation rows; return the files."""
    labels_N = np.packbits(rows.labels_N)
    return _write({directory.valid_logits: logits_N, directory.valid_labels: labels_N})


def _write(arrays: dict[Path, npt.NDArray[Any]]) -> list[Path]:
    for path, array in arrays.items():
        with replacing(path) as file:
            np.save(file, array)
    return list(arrays)


def metrics_of_rows(logits_N: Logits, rows: Part) -> dict[str, Any]:
    """Return all metrics of the scores of a split."""
    labels_N, weights_N = np.asarray(rows.labels_N), rows.weights_N
    beside = (rows.groups_N, weights_N, rows.negative_rate)
    return metrics.score(logits_N, labels_N, weights_N) | metrics.beside(
        logits_N, labels_N, *beside
    )


def metrics_of_test_rows(logits_N: Logits, rows: Part) -> dict[str, Any]:
    """Return the metrics of the test rows, and the best reachable ones where they are known."""
    figures = metrics_of_rows(logits_N, rows)
    if rows.truth_N is not None:
        best = metrics.score(np.asarray(rows.truth_N), np.asarray(rows.labels_N), rows.weights_N)
        figures |= {f"best_{name}": figure for name, figure in best.items()}
        figures["excess_logloss"] = figures["logloss"] - best["logloss"]
    return figures
