"""Figures of a whole section: who leads, at what cost, and how each learned."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator
from scipy import stats

from ctrbench.errors import UserError
from ctrbench.report.figures.ablations import is_logarithmic
from ctrbench.report.figures.drawing import (
    GREY,
    INK,
    Drawing,
    canvas,
    entitle,
    finish,
    look,
    name_dots,
    tell,
)
from ctrbench.report.group import TO_BEST, Section, epoch_seconds
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.published.printed import CRITEO_ROWS, table2
from ctrbench.runs.interface import Run

COLUMNS = 4
MOST_NAMES = 14  # beside dots; of more models those on the front alone have one
CURVES = ["valid_logloss", "train_loss"]
FAR = 3
DECADE = 10  # a smaller range of a logarithmic axis has labels within it


def chosen_rows(section: Section) -> pd.DataFrame:
    """Each model in its chosen setting, the best test AUC first."""
    chosen = section.groups[section.groups["chosen"]]
    return chosen.sort_values("test_auc_mean", ascending=False, kind="stable", ignore_index=True)


def half_interval(rows: pd.DataFrame, name: str) -> pd.Series:
    """Half the width of the interval of a mean over seeds; NaN for a single one."""
    runs = rows["runs"].astype(float)
    quantile = stats.t.ppf((1 + LEVEL) / 2, (runs - 1).clip(lower=1))
    half: pd.Series = quantile * rows[f"{name}_std"].astype(float) / np.sqrt(runs)
    return half


def leaderboard(section: Section, level: set[str]) -> Drawing:
    """A dot with its interval for each model; the paper's beside where the data is its."""
    rows = chosen_rows(section)
    figure, ((panel,),) = canvas(1, 1, (6.4, 0.3 * len(rows) + 0.4))
    half = half_interval(rows, "test_auc")
    best = rows["model"].isin(level) | (rows.index == 0)
    for i, row in rows.iterrows():
        style = look(row["model"]) | {"linestyle": "none"}
        lines = panel.errorbar(
            row["test_auc_mean"], i, xerr=np.nan_to_num(half[i]), ms=6, elinewidth=1.4, **style
        ).lines
        spread = f" ± {half[i]:.5f}" if row["runs"] > 1 else ""
        tell(lines[0], [f"{row['model']}: AUC {row['test_auc_mean']:.5f}{spread}"])
        if best[i] and best.sum() > 1:
            panel.axhspan(i - 0.5, i + 0.5, color=GREY, alpha=0.15, lw=0)
    for version, printed in _comparable(section).items():
        known = rows[rows["model"].isin(printed.index)]
        marker = {"arXiv": "|", "IJCAI": "x"}[version]
        values = printed.loc[known["model"], "auc"]
        panel.plot(values, known.index, marker, color=GREY, ms=6, label=f"the paper, {version}")
        panel.legend(frameon=False, labelcolor=INK, loc="lower left", fontsize=8)
    panel.set_yticks(rows.index, rows["model"])
    panel.set(ylim=(len(rows) - 0.5, -0.5), xlabel="test AUC; the axis does not start at zero")
    panel.ticklabel_format(axis="x", useOffset=False)
    first, last = rows.iloc[0], rows.iloc[-1]
    says = (
        f"From {first['model']}, {first['test_auc_mean']:.4f}, to {last['model']}, "
        f"{last['test_auc_mean']:.4f}."
    )
    if half.notna().any():
        says += f" Lines: {LEVEL:.0%} intervals of the mean over seeds."
    if best.sum() > 1:
        says += " Shaded: not distinguishable from the first."
    return finish(figure, "leaderboard", "Test AUC of each model", says)


def _comparable(section: Section) -> dict[str, pd.DataFrame]:
    """The paper's figures, where these are all of its rows: on one axis they would be compared."""
    run = section.runs.iloc[0]
    rows = sum(int(run[f"dataset.rows.{part}"]) for part in ("train", "valid", "test"))
    return table2(str(run["data"])) if rows == CRITEO_ROWS else {}


def cost(section: Section) -> Drawing | None:
    """Test AUC over seconds of training, an epoch and to the best evaluation, with the models that
    none beats in both."""
    rows = chosen_rows(section)
    rows = rows.assign(epoch=epoch_seconds(rows))
    heads = {"epoch": "seconds of training an epoch", TO_BEST: "seconds to the best evaluation"}
    timed = {name: rows[rows[name] > 0] for name in heads}
    timed = {name: own for name, own in timed.items() if len(own) > 1}
    if not timed:
        return None
    figure, (panels,) = canvas(1, len(timed), (4.8, 3.2), sharey=True)
    said = []
    for panel, (name, own) in zip(panels, timed.items(), strict=True):
        front = _over_time(panel, own.sort_values(name, ignore_index=True), name)
        panel.set_xlabel(heads[name])
        said.append(f"{', '.join(front)} by {heads[name]}")
    panels[0].set_ylabel("test AUC")
    says = (
        f"No model is both faster and better than those on the grey line: {'; '.join(said)}. "
        "Pre-training counts with the model that starts from it."
    )
    return finish(figure, "cost", "Quality against cost", says)


def _over_time(panel: Axes, rows: pd.DataFrame, name: str) -> list[str]:
    """A dot a model, in the order of its seconds, and the front of those that none beats."""
    auc, seconds = rows["test_auc_mean"], rows[name].astype(float)
    front = rows[auc > auc.cummax().shift(fill_value=-1)]
    panel.plot(front[name], front["test_auc_mean"], color=GREY, lw=1, drawstyle="steps-post")
    for _, row in rows.iterrows():
        style = look(row["model"]) | {"linestyle": "none"}
        (point,) = panel.plot(row[name], row["test_auc_mean"], ms=6, **style)
        tell(point, [f"{row['model']}: AUC {row['test_auc_mean']:.5f}, {row[name]:.3g} s"])
    if is_logarithmic(list(seconds)):
        panel.set_xscale("log")
        within = seconds.max() / seconds.min() < DECADE
        panel.xaxis.set_minor_locator(LogLocator(subs=(2, 5) if within else ()))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("{x:g}")
    panel.margins(0.15)
    panel.ticklabel_format(axis="y", useOffset=False)
    named = rows if len(rows) <= MOST_NAMES else front
    name_dots(panel, named["model"], named[name].astype(float), named["test_auc_mean"])
    return list(front["model"])


def learning_curves(section: Section) -> Drawing | None:
    """Logloss by epoch of each model's chosen setting, of its first seed."""
    histories = _histories(section)
    if not histories:
        return None
    height = -(-len(histories) // COLUMNS)
    figure, axes = canvas(height, min(COLUMNS, len(histories)), (2.1, 1.7), sharey=True)
    panels = [panel for row in axes for panel in row]
    for panel in panels[len(histories) :]:
        panel.set_visible(False)
    late = []
    for (model, history), panel in zip(histories.items(), panels, strict=False):
        if _curve(panel, model, history) == len(history) - 1:
            late.append(model)
    for panel in axes[-1]:
        panel.set_xlabel("evaluation")
    says = (
        "Logloss of the validation rows (coloured, its lowest point marked) and the training loss "
        "(grey), of the first seed."
    )
    low, high = _frame([history[CURVES] for history in histories.values()])
    axes[0][0].set_ylim(low, high)
    losses = {name: history[CURVES].to_numpy(float) for name, history in histories.items()}
    above = [name for name, values in losses.items() if values.max() > high]
    below = [name for name, values in losses.items() if values.min() < low]
    for side, cut in (("Higher", above), ("Lower", below)):
        says += f" {side} than the frame: losses of {', '.join(cut)}." if cut else ""
    if late:
        says += f" Still improving at their last evaluation: {', '.join(late)}."
    return finish(figure, "learning", "How each model learned", says)


def _curve(panel: Axes, model: str, history: pd.DataFrame) -> int:
    """One model's losses; the place of its best evaluation."""
    steps = np.arange(1, len(history) + 1)
    panel.plot(steps, history["valid_logloss"], lw=1.4, **(look(model) | {"marker": "none"}))
    panel.plot(steps, history["train_loss"], color=GREY, lw=1)
    best = int(history["valid_logloss"].to_numpy().argmin())
    lowest = history["valid_logloss"].iloc[best]
    (point,) = panel.plot(best + 1, lowest, **look(model), ms=5)
    tell(point, [f"{model}: validation logloss {lowest:.5f} at evaluation {best + 1}"])
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    entitle(panel, model)
    return best


def _frame(curves: list[pd.DataFrame]) -> tuple[float, float]:
    """The range of all curves, but for what lies far out (thrice the distance of the quartiles), as
    the training loss of a first half epoch can; the best validation losses always lie within."""
    values = np.concatenate([curve.to_numpy(float).ravel() for curve in curves])
    best = [curve["valid_logloss"].min() for curve in curves]
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = FAR * (upper - lower)
    low = max(values.min(), min(lower - reach, *best))
    high = min(values.max(), max(upper + reach, *best))
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def _histories(section: Section) -> dict[str, pd.DataFrame]:
    found = {}
    for _, row in section.groups[section.groups["chosen"]].iterrows():
        runs = section.runs[section.runs["group"] == row["group"]].sort_values("seed")
        try:
            history = Run(Path(runs["path"].iloc[0])).history
        except (UserError, ValueError):  # a damaged history stops no report
            continue
        if set(CURVES) <= set(history) and len(history) > 1:
            found[str(row["model"])] = history
    return found
