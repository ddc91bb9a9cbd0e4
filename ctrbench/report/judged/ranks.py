"""Who is first how often: ranks of the chosen models over the seeds that all of them have."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ctrbench.report.figures.drawing import GREY, INK, Drawing, canvas, finish, look, tell
from ctrbench.report.group import Section
from ctrbench.report.judged.statistics import LEVEL


@dataclass(frozen=True)
class Ranks:
    """Ranks by test AUC, 1 the best.

    Attributes:
        by_seed: a row a common seed, a column a model, the best mean rank first.
        p: of Friedman's test that all models rank alike; NaN of two models.
        critical: the difference of mean ranks that Nemenyi's test needs to tell two models apart.
    """

    by_seed: pd.DataFrame
    p: float
    critical: float

    @property
    def mean(self) -> pd.Series:
        """Of each model."""
        return self.by_seed.mean()


def ranks(section: Section) -> Ranks | None:
    """None of fewer than two models, or of fewer than two seeds that all have."""
    chosen = section.groups[section.groups["chosen"]]
    runs = section.runs[section.runs["group"].isin(chosen["group"])]
    figures = runs.pivot(index="seed", columns="model", values="metrics.test.auc").dropna()
    seeds, models = figures.shape
    if seeds < 2 or models < 2:
        return None
    by_seed = figures.astype(float).rank(axis=1, ascending=False)
    order = by_seed.mean().sort_values(kind="stable").index
    p = stats.friedmanchisquare(*figures.to_numpy(float).T).pvalue if models > 2 else np.nan
    quantile = stats.studentized_range.ppf(LEVEL, models, np.inf) / np.sqrt(2)
    critical = quantile * np.sqrt(models * (models + 1) / (6 * seeds))
    return Ranks(by_seed[order], float(p), float(critical))


def drawing(found: Ranks) -> Drawing:
    """Mean ranks with each seed's beside, and a band of those that Nemenyi's test leaves level."""
    mean, models = found.mean, list(found.by_seed)
    figure, ((panel,),) = canvas(1, 1, (6.4, 0.3 * len(models) + 0.4))
    panel.axvspan(mean.iloc[0], mean.iloc[0] + found.critical, color=GREY, alpha=0.15, lw=0)
    for i, model in enumerate(models):
        own = found.by_seed[model]
        style = look(model) | {"linestyle": "none"}
        panel.plot([own.min(), own.max()], [i, i], color=style["color"], lw=1.4)
        panel.plot(own, [i] * len(own), "|", color=style["color"], ms=8)
        (point,) = panel.plot(mean[model], i, ms=6, **style)
        tell(point, [f"{model}: mean rank {mean[model]:.2f}, from {own.min():g} to {own.max():g}"])
    panel.set_yticks(range(len(models)), models)
    panel.set(ylim=(len(models) - 0.5, -0.5), xlim=(0.8, len(models) + 0.2))
    panel.set_xlabel("rank by test AUC, 1 is the best", color=INK)
    return finish(figure, "ranks", "Rank over seeds", _says(found))


def _says(found: Ranks) -> str:
    mean = found.mean
    first, seeds = mean.index[0], len(found.by_seed)
    firsts = int((found.by_seed[first] == 1).sum())
    said = (
        f"{first} has the best mean rank, {mean.iloc[0]:.2f} of {len(mean)}; it is first in "
        f"{firsts} of {seeds} common seeds. Ticks: a seed each."
    )
    if found.p == found.p:
        said += f" Friedman's test that all rank alike: p {found.p:.2g}."
    level = list(mean.index[1:][mean.iloc[1:] - mean.iloc[0] < found.critical])
    told = f"not told apart from {first}: {', '.join(level)}" if level else "all told apart from it"
    return (
        f"{said} Shaded: the critical difference of Nemenyi's test, {found.critical:.2f} ranks; "
        f"{told}."
    )
