"""What an average of predictions gives: of the seeds of a model, and of models that are chosen.

Models are chosen greedily (Caruana et al. 2004): from the best run on, the run that lowers the
logloss of the average on validation rows most is added, again and again; a run may be added several
times. Averages are of logits. A gain is over the mean figure of the seeds of one model, with its
interval over the test rows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report.group import FIGURES, Section
from ctrbench.report.judged.comparisons import reference
from ctrbench.report.judged.paired import PairedTests, UntestableError, components_of
from ctrbench.report.judged.statistics import (
    Components,
    Difference,
    losses,
    two_part_test,
    variance_over_rows,
)
from ctrbench.runs.interface import Run

ROUNDS = 30  # runs of a greedy average at most, with repetitions
MOST_ROWS = 200_000  # validation rows that it is chosen on
GREEDY = "greedy"
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """An average of runs.

    Attributes:
        model: whose seeds are averaged, or ``GREEDY``.
        members: how often a run of each model is in it.
        against: the model over whose mean the gains are.
        figures: of the average, by ``FIGURES``.
        gains: differences to that mean, with intervals over test rows.
    """

    model: str
    members: dict[str, int]
    against: str
    figures: dict[str, float]
    gains: dict[str, Difference]


def averages(section: Section, tests: PairedTests) -> list[Average]:
    """Return the average of each model with several seeds, and the greedy one where the runs keep
    the scores of validation rows; none where the test rows are not at hand."""
    chosen = section.groups[section.groups["chosen"]]
    runs = {
        str(row["model"]): sorted(section.runs.loc[section.runs["group"] == row["group"], "path"])
        for _, row in chosen.iterrows()
    }
    try:
        found = [
            _average(tests, model, model, paths, paths, {model: len(paths)})
            for model, paths in runs.items()
            if len(paths) > 1
        ]
        paths, members = _choose(runs)
        if len(set(paths)) > 1:
            best = reference(section)
            found.append(_average(tests, GREEDY, best, paths, runs[best], members))
        return found
    except (UntestableError, UserError):
        return []


def _average(
    tests: PairedTests,
    model: str,
    against: str,
    paths: Sequence[str],
    single_paths: Sequence[str],
    members: dict[str, int],
) -> Average:
    """Compare the average of some runs with the mean of single ones."""
    singles = [tests.components(path) for path in single_paths]
    run = Run(Path(paths[0]))
    counts = Counter(paths)
    logits_N = sum(count * Run(Path(p)).logits.astype(float) for p, count in counts.items())
    average = components_of(np.asarray(logits_N) / len(paths), run.labels, run.row_weights)
    gains = {}
    for figure in FIGURES:
        mean = _mean([single[figure] for single in singles])
        difference = float(average[figure][0].mean(dtype=float) - mean[0].mean(dtype=float))
        rows = variance_over_rows([average[figure]], [mean])
        gains[figure] = two_part_test([difference], rows)
    figures = {name: float(parts[0].mean(dtype=float)) for name, parts in average.items()}
    return Average(model, members, against, figures, gains)


def _mean(components: Sequence[Components]) -> Components:
    return tuple(np.mean(parts, axis=0, dtype=float) for parts in zip(*components, strict=True))


def _choose(runs: dict[str, list[str]]) -> tuple[list[str], dict[str, int]]:
    """Return the runs of the greedy average, and how many of them are of each model.

    Candidates are the runs that keep the scores of the same validation rows.
    """
    candidates, logits = list[tuple[str, str]](), list[npt.NDArray[np.float32]]()
    labels_N, rows_N = np.empty(0, np.uint8), np.empty(0, np.int64)
    for model, path in [(model, path) for model, paths in runs.items() for path in paths]:
        run = Run(Path(path))
        try:
            run_labels_N, logits_N = run.valid_labels, run.valid_logits
        except UserError:
            continue
        if not candidates:
            labels_N = run_labels_N
            rows_N = np.random.default_rng(0).permutation(len(labels_N))[:MOST_ROWS]
        if np.array_equal(run_labels_N, labels_N):
            candidates.append((model, path))
            logits.append(logits_N[rows_N])
    if not candidates:
        return [], {}
    picks = greedy_picks(np.stack(logits), labels_N[rows_N])
    members = Counter(candidates[pick][0] for pick in picks)
    return [candidates[pick][1] for pick in picks], dict(members.most_common())


def greedy_picks(logits_CN: Any, labels_N: Any, rounds: int = ROUNDS) -> list[int]:
    """Return the candidates of the greedy average with the least logloss, in their order.

    Args:
        logits_CN: of each candidate.
    """
    total_N: Numbers = np.zeros(logits_CN.shape[1])
    picks, means = list[int](), list[float]()
    for count in range(1, rounds + 1):
        scores = [losses((total_N + own_N) / count, labels_N).mean() for own_N in logits_CN]
        picks.append(int(np.argmin(scores)))
        means.append(min(scores))
        total_N += logits_CN[picks[-1]]
    return picks[: int(np.argmin(means)) + 1]


def average_numbers(found: list[Average]) -> pd.DataFrame:
    """Return a row for each average."""
    rows = []
    for average in found:
        row: dict[str, Any] = {"average": average.model, "against": average.against}
        row |= {"members": " ".join(f"{m}:{n}" for m, n in average.members.items())}
        for figure in FIGURES:
            gain = average.gains[figure]
            row |= {figure: average.figures[figure], f"{figure}_gain": gain.mean}
            row |= {f"{figure}_low": gain.low, f"{figure}_high": gain.high}
        rows.append(row)
    return pd.DataFrame(rows)
