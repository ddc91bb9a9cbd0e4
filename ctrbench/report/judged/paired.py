"""Paired tests between the settings of a section, each run's test rows scored once."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report.group import FIGURES, Section
from ctrbench.report.judged.statistics import (
    Components,
    Difference,
    auc_components,
    losses,
    two_part_test,
    variance_over_rows,
)
from ctrbench.runs.interface import Run

LIMIT = 512 << 20  # bytes of components held at once
SEEDS_AND_ROWS = "seeds and test rows"
ROWS_ALONE = "test rows alone"
NO_COMMON_SEED = "untested: no common seed"
OTHER_ROWS = "untested: scored on other test rows"
NO_ROWS = "untested: the logits or labels of the test rows are not here"
TOO_FEW = "untested: too few test rows of one class"


@dataclass(frozen=True)
class Comparison:
    """Two settings over the seeds that both have.

    Attributes:
        test: what the noise was taken from, or why there is no test.
        differences: in each of ``FIGURES``.
    """

    test: str
    seeds: int
    differences: list[Difference]


class UntestableError(Exception):
    """Why two settings cannot be tested."""


class PairedTests:
    """The comparisons of a section, each made once.

    The components of a run's test rows need 8 bytes a row. They are computed once per run as long
    as those of all runs fit into ``limit``; beyond, those that were used last are kept.
    """

    def __init__(self, section: Section, limit: int = LIMIT) -> None:
        self.limit = limit
        self._runs = dict(iter(section.runs.groupby("group", sort=False)))
        self._comparisons: dict[tuple[str, str], Comparison] = {}
        self._components: OrderedDict[str, dict[str, Components]] = OrderedDict()
        self._labels_N: npt.NDArray[np.uint8] | None = None

    def compare(self, group: str, other: str) -> Comparison:
        """Compare two groups of runs."""
        key = (group, other)
        if key not in self._comparisons:
            self._comparisons[key] = self._compare(*common_seeds(*map(self._runs.get, key)))
        return self._comparisons[key]

    def _compare(self, runs: pd.DataFrame, other_runs: pd.DataFrame) -> Comparison:
        columns = [f"metrics.test.{figure}" for figure in FIGURES]
        differences = [(runs[name] - other_runs[name]).to_numpy(float) for name in columns]
        seeds = len(runs)
        try:
            if not seeds:
                raise UntestableError(NO_COMMON_SEED)
            variances = self._variances(list(runs["path"]), list(other_runs["path"]))
        except UntestableError as reason:
            means = [float(of_seeds.mean()) if seeds else np.nan for of_seeds in differences]
            return Comparison(str(reason), seeds, [_untested(mean) for mean in means])
        return Comparison(
            SEEDS_AND_ROWS if seeds > 1 else ROWS_ALONE,
            seeds,
            [two_part_test(*pair) for pair in zip(differences, variances, strict=True)],
        )

    def _variances(self, paths: list[str], other_paths: list[str]) -> list[float]:
        """Return the variance over the test rows for each figure."""
        both = [[self.components(path) for path in side] for side in (paths, other_paths)]
        return [
            variance_over_rows(*([run[figure] for run in runs] for runs in both))
            for figure in FIGURES
        ]

    def components(self, path: str) -> dict[str, Components]:
        """Return the components of the test figures of a run.

        Raises:
            UntestableError: if its rows are not those of the others, or not here.
        """
        if path in self._components:
            self._components.move_to_end(path)
            return self._components[path]
        components = self._score(Run(Path(path)))
        self._components[path] = components
        size = sum(rows.nbytes for parts in components.values() for rows in parts)
        while len(self._components) > max(self.limit // size, 1):
            self._components.popitem(last=False)
        return components

    def _score(self, run: Run) -> dict[str, Components]:
        try:
            logits_N, labels_N, weights_N = run.logits, run.labels, run.row_weights
        except UserError:
            raise UntestableError(NO_ROWS) from None
        if self._labels_N is None:
            self._labels_N = labels_N
        if len(logits_N) != len(labels_N) or not np.array_equal(labels_N, self._labels_N):
            raise UntestableError(OTHER_ROWS)
        if np.bincount(labels_N, minlength=2).min() < 2:
            raise UntestableError(TOO_FEW)
        return components_of(logits_N, labels_N, weights_N)


def components_of(logits_N: Any, labels_N: Any, weights_N: Any = None) -> dict[str, Components]:
    """Return the components of each of ``FIGURES`` by its name, their means being the figures."""
    loss_N = losses(logits_N, labels_N)
    if weights_N is not None:
        loss_N *= weights_N / weights_N.mean(dtype=np.float64)
    components = auc_components(logits_N, labels_N, weights_N)
    return {"auc": components, "logloss": (loss_N.astype(np.float32),)}


def _untested(mean: float) -> Difference:
    return Difference(mean, np.nan, np.nan, np.nan)


def common_seeds(runs: pd.DataFrame, other_runs: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the runs of the seeds that both have, in the same order."""
    both = [side.set_index("seed").sort_index() for side in (runs, other_runs)]
    seeds = both[0].index.intersection(both[1].index)
    return [side.loc[seeds] for side in both]
