"""Predictions of the chosen models for the test rows, each of its first seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctrbench.errors import UserError
from ctrbench.report.group import Section
from ctrbench.runs.interface import Run

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """The N test rows of a section with the predictions of its models.

    Attributes:
        labels_N: uint8.
        logits: float64, N, by the models' names in the order of tables.
        store: of the prepared rows, where it is at hand.
        weights_N: of the rows; None where all count the same.
        negative_rate: the share of the rows without a click that the data kept; None: all.
    """

    labels_N: npt.NDArray[np.uint8]
    logits: dict[str, Array]
    store: Path | None
    weights_N: npt.NDArray[np.float32] | None = None
    negative_rate: float | None = None


def read_predictions(section: Section) -> Predictions | None:
    """Read the predictions; None where no chosen run has its logits and labels at hand.

    Models without them, or with logits of other rows, are left out.
    """
    labels_N, store = None, None
    weights_N, negative_rate = None, None
    logits: dict[str, Array] = {}
    for model, group in _chosen_groups(section):
        runs = section.runs[section.runs["group"] == group].sort_values("seed")
        try:
            run = Run(Path(runs["path"].iloc[0]))
            labels_N = run.labels if labels_N is None else labels_N
            if len(run.logits) == len(labels_N):
                logits[model] = run.logits.astype(np.float64)
            weights_N, negative_rate = run.row_weights, run.negative_rate
            store = store or run.store
        except UserError:
            continue
    if labels_N is None or not logits or labels_N.min() == labels_N.max():
        return None
    return Predictions(labels_N, logits, store, weights_N, negative_rate)


def _chosen_groups(section: Section) -> list[tuple[str, str]]:
    """Return model and group of each chosen row."""
    rows = section.groups[section.groups["chosen"]]
    return list(zip(rows["model"].astype(str), rows["group"], strict=True))
