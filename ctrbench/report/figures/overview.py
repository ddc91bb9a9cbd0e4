"""Figures of a whole section: who leads, at what cost, and how each learned."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from ctrbench.errors import UserError
from ctrbench.report.figures.ablations import is_logarithmic
from ctrbench.report.figures.drawing import (
    DEVIATION,
    GREY,
    INK,
    Figure,
    canvas,
    label_points,
    line_style,
    panels_of,
    save_figure,
    set_title,
    set_tooltips,
)
from ctrbench.report.group import TO_BEST, Section, epoch_seconds
from ctrbench.report.names import list_titles, model_title
from ctrbench.report.published.printed import CRITEO_ROWS, table2
from ctrbench.runs.interface import Run

COLUMNS, NARROW = 5, 2  # of panels, in wide and narrow windows
Numbers = npt.NDArray[np.float64]
CURVES = ["valid_logloss", "train_loss"]
FAR = 3


def chosen_rows(section: Section) -> pd.DataFrame:
    """Return each model in its chosen setting, the best test AUC first."""
    chosen = section.groups[section.groups["chosen"]]
    return chosen.sort_values("test_auc_mean", ascending=False, kind="stable", ignore_index=True)


def leaderboard(section: Section, reference: str, not_different: set[str]) -> Figure:
    """Draw a dot with its deviation over seeds for each model, the paper's where the data is its.

    Args:
        reference: the model that is best on the validation rows.
        not_different: those that do not differ significantly from it.
    """
    rows = chosen_rows(section)
    figure, ((panel,),) = canvas(1, 1, (6.4, 0.3 * len(rows) + 0.4))
    deviations = rows["test_auc_std"].astype(float)
    best = rows["model"].isin(not_different | {reference})
    for i, row in rows.iterrows():
        style = line_style(row["model"]) | {"linestyle": "none"}
        spread = np.nan_to_num(deviations[i])
        bars = panel.errorbar(row["test_auc_mean"], i, xerr=spread, ms=6, elinewidth=1.4, **style)
        deviation = f" ± {deviations[i]:.5f}" if row["runs"] > 1 else ""
        set_tooltips(
            bars.lines[0],
            [f"{model_title(row['model'])}: AUC {row['test_auc_mean']:.5f}{deviation}"],
        )
        if best[i] and best.sum() > 1:
            panel.axhspan(i - 0.5, i + 0.5, color=GREY, alpha=0.15, lw=0)
    for version, printed in paper_results(section).items():
        printed_rows = rows[rows["model"].isin(printed.index)]
        marker = {"arXiv": "|", "IJCAI": "x"}[version]
        values = printed.loc[printed_rows["model"], "auc"]
        panel.plot(
            values, printed_rows.index, marker, color=GREY, ms=6, label=f"the paper, {version}"
        )
        panel.legend(frameon=False, labelcolor=INK, loc="lower left", fontsize=8)
    panel.set_yticks(rows.index, rows["model"].map(model_title))
    panel.set(ylim=(len(rows) - 0.5, -0.5), xlabel="test AUC; the axis does not start at zero")
    panel.ticklabel_format(axis="x", useOffset=False)
    caption = _leaderboard_caption(rows, reference if best.sum() > 1 else None)
    return save_figure(figure, "leaderboard", "Test AUC of each model", caption)


def _leaderboard_caption(rows: pd.DataFrame, reference: str | None) -> str:
    first, *_, last = [
        f"{model_title(r['model'])}, {r['test_auc_mean']:.4f}" for _, r in rows.iterrows()
    ] * 2
    caption = f"From {first}, to {last}." if len(rows) > 1 else f"Only {first}."
    if rows["test_auc_std"].notna().any():
        caption += f" Lines: {DEVIATION}."
    if reference is not None:
        caption += (
            f" Shaded: {model_title(reference)}, the best on the validation rows, and those not"
        )
        caption += " significantly different from it."
    return caption


def paper_results(section: Section) -> dict[str, pd.DataFrame]:
    """Return the paper's figures if these are all of its rows: on one axis they are compared."""
    run = section.runs.iloc[0]
    rows = sum(int(run[f"dataset.rows.{part}"]) for part in ("train", "valid", "test"))
    return table2(str(run["data"])) if rows == CRITEO_ROWS else {}


def cost(section: Section) -> Figure | None:
    """Draw test AUC over seconds of training, an epoch and to the best evaluation, with the Pareto
    front."""
    rows = chosen_rows(section)
    rows = rows.assign(epoch=epoch_seconds(rows))
    heads = {"epoch": "seconds of training an epoch", TO_BEST: "seconds to the best evaluation"}
    timed = {name: rows[rows[name] > 0] for name in heads}
    timed = {name: timed_rows for name, timed_rows in timed.items() if len(timed_rows) > 1}
    if not timed:
        return None
    figure, fronts = _draw_cost(timed, heads, columns=len(timed))
    narrow, _ = _draw_cost(timed, heads, columns=1)
    spoken = [f"{list_titles(front)} by {heads[name]}" for name, front in fronts.items()]
    caption = (
        f"No model is both faster and better than those on the grey line: {'; '.join(spoken)}. "
        "Pre-training counts with the model that starts from it."
    )
    return save_figure(figure, "cost", "Quality against cost", caption, narrow)


def _draw_cost(
    timed: dict[str, pd.DataFrame], heads: dict[str, str], columns: int
) -> tuple[Canvas, dict[str, list[str]]]:
    """Draw a panel for each time; return the figure and the models on each front."""
    height = min(6.0, 2.6 + 0.1 * max(map(len, timed.values())))
    size = (5.0, height) if columns > 1 else (4.2, height)
    figure, panels, _ = panels_of(len(timed), columns, size, sharey=True)
    fronts = {}
    for panel, (name, rows) in zip(panels, timed.items(), strict=True):
        rows = rows.sort_values(name, ignore_index=True)
        fronts[name] = _draw_front(panel, rows, name)
        panel.set_xlabel(heads[name])
        panel.set_ylabel("test AUC")
    for panel, (name, rows) in zip(panels, timed.items(), strict=True):  # all scales stand now
        on_front = rows["model"].isin(fronts[name])  # named first, where places are free
        rows = pd.concat([rows[on_front], rows[~on_front]])
        titles = rows["model"].map(model_title)
        label_points(panel, titles, rows[name].astype(float), rows["test_auc_mean"])
    return figure, fronts


def _draw_front(panel: Axes, rows: pd.DataFrame, name: str) -> list[str]:
    """Draw a dot for each model, in the order of seconds; return the models of the Pareto front."""
    auc, seconds = rows["test_auc_mean"], rows[name].astype(float)
    front = rows[auc > auc.cummax().shift(fill_value=-1)]
    panel.plot(front[name], front["test_auc_mean"], color=GREY, lw=1, drawstyle="steps-post")
    for _, row in rows.iterrows():
        style = line_style(row["model"]) | {"linestyle": "none"}
        (point,) = panel.plot(row[name], row["test_auc_mean"], ms=6, **style)
        set_tooltips(
            point,
            [f"{model_title(row['model'])}: AUC {row['test_auc_mean']:.5f}, {row[name]:.3g} s"],
        )
    if is_logarithmic(list(seconds)):
        panel.set_xscale("log")
        decades = np.floor(np.log10(seconds.max())) - np.ceil(np.log10(seconds.min()))
        panel.xaxis.set_minor_locator(LogLocator(subs=(2, 5) if decades < 1 else ()))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("{x:g}")
    panel.margins(0.15)
    panel.ticklabel_format(axis="y", useOffset=False)
    return list(front["model"])


def learning_curves(section: Section) -> Figure | None:
    """Draw the logloss by evaluation of each model's chosen setting, of its first seed."""
    histories = _histories(section)
    if not histories:
        return None
    limits = _limits([history[CURVES] for history in histories.values()])
    figure, narrow = (_draw_curves(histories, limits, n) for n in (COLUMNS, NARROW))
    late = [name for name, h in histories.items() if _best_of(h) == len(h) - 1]
    caption = (
        "Logloss of the validation rows (coloured, its lowest point marked) and the training loss "
        "(grey), of the first seed."
    )
    low, high = limits
    losses = {name: history[CURVES].to_numpy(float) for name, history in histories.items()}
    above = [name for name, values in losses.items() if values.max() > high]
    below = [name for name, values in losses.items() if values.min() < low]
    for side, cut in (("Higher", above), ("Lower", below)):
        caption += f" {side} than the frame: losses of {list_titles(cut)}." if cut else ""
    if late:
        caption += f" Still improving at their last epoch: {list_titles(late)}."
    return save_figure(figure, "learning", "How each model learned", caption, narrow)


def _draw_curves(
    histories: dict[str, pd.DataFrame], limits: tuple[float, float], columns: int
) -> Canvas:
    figure, panels, width = panels_of(len(histories), columns, (2.1, 1.7), sharey=True)
    for (model, history), panel in zip(histories.items(), panels, strict=True):
        _draw_losses(panel, model, history)
    for panel in panels[::width]:
        panel.set_ylabel("logloss")
    for panel in panels[-width:]:
        panel.set_xlabel("epochs")
    panels[0].set_ylim(*limits)
    keys = [Line2D([], [], color=INK, label="validation"), Line2D([], [], color=GREY)]
    keys[1].set_label("training")
    figure.legend(handles=keys, loc="outside upper left", ncols=2, frameon=False, labelcolor=INK)
    return figure


def _best_of(history: pd.DataFrame) -> int:
    """Return the place of the best evaluation."""
    return int(history["valid_logloss"].to_numpy().argmin())


def _draw_losses(panel: Axes, model: str, history: pd.DataFrame) -> None:
    """Draw the losses of one model over its epochs, some of them evaluated several times."""
    epochs = _epochs(history)
    panel.plot(epochs, history["valid_logloss"], lw=1.4, **(line_style(model) | {"marker": "none"}))
    panel.plot(epochs, history["train_loss"], color=GREY, lw=1)
    best = _best_of(history)
    lowest = history["valid_logloss"].iloc[best]
    (point,) = panel.plot(epochs[best], lowest, **line_style(model), ms=5)
    name = model_title(model)
    set_tooltips(
        point, [f"{name}: validation logloss {lowest:.5f} after {epochs[best]:.3g} epochs"]
    )
    panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    set_title(panel, name)


def _epochs(history: pd.DataFrame) -> Numbers:
    """Return the epochs trained until each evaluation; those within an epoch share it equally."""
    if "epoch" not in history:
        return np.arange(1.0, len(history) + 1)
    epoch = history["epoch"].astype(float)
    within = history.groupby("epoch").cumcount() + 1
    share: Numbers = (epoch - 1 + within / epoch.map(epoch.value_counts())).to_numpy(float)
    return share


def _limits(curves: list[pd.DataFrame]) -> tuple[float, float]:
    """Return the range of all curves without outliers (three times the distance of the quartiles),
    as the training loss of a first half epoch can be. The best validation losses lie within."""
    values = np.concatenate([curve.to_numpy(float).ravel() for curve in curves])
    best = [curve["valid_logloss"].min() for curve in curves]
    lower, upper = np.quantile(values, [0.25, 0.75])
    reach = FAR * (upper - lower)
    low = max(values.min(), min(lower - reach, *best))
    high = min(values.max(), max(upper + reach, *best))
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def _histories(section: Section) -> dict[str, pd.DataFrame]:
    histories = {}
    for _, row in section.groups[section.groups["chosen"]].iterrows():
        runs = section.runs[section.runs["group"] == row["group"]].sort_values("seed")
        try:
            history = Run(Path(runs["path"].iloc[0])).history
        except (UserError, ValueError):  # a damaged history stops no report
            continue
        if set(CURVES) <= set(history) and len(history) > 1:
            histories[str(row["model"])] = history
    return histories
