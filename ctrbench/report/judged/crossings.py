"""Where one model overtakes another as the training rows grow."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from ctrbench.report.figures.sweeps import sweeps
from ctrbench.report.group import BASELINE, FIGURES, Section
from ctrbench.report.judged.comparisons import BETTER, SIGNIFICANT
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.judged.statistics import Difference, holm
from ctrbench.report.names import list_titles, metric_title, model_title

KEY = "split.train_share"


@dataclass(frozen=True)
class Crossing:
    """The difference of two models in one metric over the training rows.

    Attributes:
        rows: training rows of each point, ascending.
        differences: model minus other at each point.
        p: of the first and the last difference, by Holm's steps over all pairs of the figure.
        seeds: common ones, the fewest of the two ends.
    """

    model: str
    other: str
    figure: str
    rows: list[int]
    differences: list[Difference]
    p: tuple[float, float] = (np.nan, np.nan)
    seeds: int = 0

    @property
    def gains(self) -> list[float]:
        """By how much the model is better, at each point."""
        return [difference.mean * BETTER[self.figure] for difference in self.differences]

    @property
    def places(self) -> list[float]:
        """The training rows at which the difference changes its sign, linear in their logarithm."""
        points = [pair for pair in zip(self.rows, self.gains, strict=True) if pair[1] != 0]
        return [
            float(m * (n / m) ** (a / (a - b))) for (m, a), (n, b) in pairwise(points) if a * b < 0
        ]

    @property
    def is_significant(self) -> bool:
        """Whether both ends differ significantly, with the noise of training."""
        return self.seeds > 1 and max(self.p) < SIGNIFICANT  # NaN is not


def row_points(section: Section) -> pd.DataFrame:
    """Return a row for each model and share of the training rows: ``model``, ``group``, ``share``,
    ``rows``, ``seeds``, and mean and deviation of each test figure; empty where none was swept."""
    lines = sweeps(section).get(KEY, [])
    if not lines:
        return pd.DataFrame()
    rows = section.runs.drop_duplicates("group").set_index("group")["dataset.rows.train"]
    points = pd.concat([line.rows for line in lines], ignore_index=True)
    figures = {
        f"{figure}{suffix}": points[f"test_{figure}{kind}"].astype(float)
        for figure in FIGURES
        for suffix, kind in (("", "_mean"), ("_std", "_std"))
    }
    columns = {
        "model": points["model"],
        "group": points["group"],
        "share": points[KEY].astype(float),
        "rows": points["group"].map(rows).astype(int),
        "seeds": points["runs"],
    }
    return pd.DataFrame(columns | figures)


def crossings(section: Section, points: pd.DataFrame, tests: PairedTests) -> list[Crossing]:
    """Compare each model with the baseline at every share that both were trained on.

    Without a baseline the other is the model that is best at the smallest share.
    """
    models = list(dict.fromkeys(points["model"]))
    by_size = points.sort_values(["share", "auc"], ascending=[True, False])
    other = BASELINE if BASELINE in models else by_size["model"].iloc[0]
    found = []
    for figure in FIGURES:
        pairs = [
            _crossing(figure, model, other, points, tests) for model in models if model != other
        ]
        found += _corrected([pair for pair in pairs if len(pair.rows) > 1])
    return found


def _crossing(
    figure: str, model: str, other: str, points: pd.DataFrame, tests: PairedTests
) -> Crossing:
    sides = [points[points["model"] == name].set_index("share") for name in (model, other)]
    both = sides[0].join(sides[1]["group"].rename("other"), how="inner").sort_values("rows")
    compared = [tests.compare(*pair) for pair in zip(both["group"], both["other"], strict=True)]
    differences = [comparison.differences[FIGURES.index(figure)] for comparison in compared]
    ends = [compared[0], compared[-1]] if compared else []
    p = (differences[0].p, differences[-1].p) if compared else (np.nan, np.nan)
    seeds = min((comparison.seeds for comparison in ends), default=0)
    return Crossing(model, other, figure, both["rows"].tolist(), differences, p, seeds)


def _corrected(pairs: list[Crossing]) -> list[Crossing]:
    p = holm([value for pair in pairs for value in pair.p]).reshape(-1, 2)
    return [
        Crossing(**{**vars(pair), "p": (float(first), float(last))})
        for pair, (first, last) in zip(pairs, p, strict=True)
    ]


def crossing_text(crossing: Crossing) -> str:
    """Return as text whether one of the two overtakes the other, and at how many rows.

    It is said plainly only if the difference is significant at both ends.
    """
    names = [model_title(crossing.model), model_title(crossing.other)]
    first, last = crossing.gains[0], crossing.gains[-1]
    ahead, behind = names if last > 0 else names[::-1]
    end = f"{crossing.rows[-1]:,} rows"
    if first * last < 0:
        place = _place_text(crossing.places)
        if min(crossing.p) >= SIGNIFICANT:
            return f"no crossing can be told: {names[0]} and {names[1]} differ at neither end"
        if crossing.is_significant:
            return f"{ahead} overtakes {behind} {place}"
        return f"{ahead} may overtake {behind} {place}: {_doubt(crossing)}"
    lasting = "lasting " if crossing.places else ""
    text = f"no {lasting}crossing up to {end}"
    if crossing.seeds > 1 and crossing.p[1] < SIGNIFICANT:
        return f"{text}: {ahead} stays ahead of {behind}"
    if np.isnan(crossing.p[1]):
        return f"{text}: {ahead} is ahead of {behind}, untested"
    return f"{text}: {ahead} and {behind} are not told apart there"


def _place_text(places: list[float]) -> str:
    if len(places) == 1:
        return f"at about {_rounded(places[0])} rows"
    return f"between {_rounded(places[0])} and {_rounded(places[-1])} rows"


def _rounded(rows: float) -> str:
    """Return a number of rows in two digits."""
    return f"{float(f'{rows:.2g}'):,.0f}"


def _doubt(crossing: Crossing) -> str:
    if crossing.seeds < 2:
        return "one seed, training noise not included"
    if np.isnan(crossing.p).any():
        return "the difference is untested"
    ends = zip((crossing.rows[0], crossing.rows[-1]), crossing.p, strict=True)
    doubtful = [f"{rows:,}" for rows, p in ends if not p < SIGNIFICANT]
    return f"the difference is not significant at {' and '.join(doubtful)} rows"


def crossing_headline(found: list[Crossing]) -> str:
    """Return the crossings in AUC as one sentence, models of one outcome together."""
    pairs = [crossing for crossing in found if crossing.figure == FIGURES[0]]
    texts = [crossing_text(crossing) for crossing in pairs]
    crossed = [text for text in texts if not text.startswith("no ")]
    alike: dict[str, list[str]] = {}
    for crossing, text in zip(pairs, texts, strict=True):
        if text not in crossed:
            alike.setdefault(text.partition(":")[0], []).append(crossing.model)
    if len(pairs) == 1:
        return "".join(texts)
    crossed += [
        f"{text} of {list_titles(models)} with {model_title(pairs[0].other)}"
        for text, models in alike.items()
    ]
    return "; ".join(crossed)


def crossing_note() -> str:
    """Return the rule of the crossings."""
    return (
        "A model overtakes another between the two numbers of training rows where the mean of "
        f"their paired differences in {metric_title(FIGURES[0])} changes its sign; the place is "
        "linear in the logarithm of the rows. It is said plainly only if the difference is "
        f"significant at both ends (p < {SIGNIFICANT:.2f} after Holm's correction over all pairs "
        "and ends). Validation and test rows are the same at every number."
    )
