"""Figures of ablations, drawn as the paper draws its figures 7 to 11: AUC left, logloss right."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ctrbench.report.figures.drawing import (
    DEVIATION,
    GREY,
    INK,
    PALETTE,
    SOFT,
    Figure,
    line_style,
    panels_of,
    save_figure,
    set_title,
    set_tooltips,
)
from ctrbench.report.figures.sweeps import KEEP, Sweep, sweeps
from ctrbench.report.group import FIGURES, Section
from ctrbench.report.names import metric_title, model_title, option_title
from ctrbench.report.published.printed import published

GEOMETRIC = 4  # the least ratio of the largest to the smallest value of a logarithmic axis
Numbers = npt.NDArray[np.float64]
FILLED = "Filled: the setting chosen on the validation rows."
BAND = f"Bands and bars: {DEVIATION} to each side of the mean."
MOST_LINES = 6  # of one model; of more, those of the best validation figures


def ablations(section: Section, x: str | None = None) -> list[Figure]:
    """Return a drawing for each option that was swept, a row of panels for each model."""
    return [_ablation(key, sweeps_of_key) for key, sweeps_of_key in sweeps(section, x).items()]


def _ablation(key: str, sweeps_of_key: list[Sweep]) -> Figure:
    ticks = list(
        dict.fromkeys(v for s in sweeps_of_key for line in s.lines for v in s.values_of(line))
    )
    numeric = all(isinstance(value, float) for value in ticks)
    ticks = sorted(ticks) if numeric else ticks
    paper = _paper_points(key, numeric)
    figure, narrow = (_draw(sweeps_of_key, ticks, paper, n) for n in (len(FIGURES), 1))
    caption = " ".join(
        [
            *(_caption(sweep) for sweep in sweeps_of_key),
            *_explain_marks(sweeps_of_key),
            *_source(paper, sweeps_of_key),
        ]
    )
    title = f"{option_title(key)}: AUC and logloss of the test rows"
    title = f"{title[0].upper()}{title[1:]}"
    return save_figure(figure, f"ablation-{key}".replace("/", "-"), title, caption, narrow)


def _draw(
    sweeps_of_key: list[Sweep], ticks: list[Any], paper: pd.DataFrame, columns: int
) -> Canvas:
    """Draw two panels for each model, side by side or one below the other."""
    numeric = all(isinstance(value, float) for value in ticks)
    levels = {name: (paper[name].min(), paper[name].max()) for name in FIGURES}
    count = len(FIGURES) * len(sweeps_of_key)
    figure, panels, _ = panels_of(count, columns, (4.2, 1.8), sharex=True)
    for i, panel in enumerate(panels):
        sweep, name = sweeps_of_key[i // len(FIGURES)], FIGURES[i % len(FIGURES)]
        if i >= len(FIGURES):
            panel.sharey(panels[i % len(FIGURES)])
        paper_points = paper[paper["model"] == sweep.model]
        if not numeric:  # so that all panels have the values in one order
            panel.plot([_value(tick) for tick in ticks], np.full(len(ticks), np.nan))
        _draw_panel(panel, sweep, name, ticks if numeric else None)
        if len(paper_points):
            _draw_paper(panel, paper_points, name, levels[name], numeric)
        set_title(panel, f"{model_title(sweep.model)}: {metric_title(name)}")
        if sweep.others and name == FIGURES[-1]:
            place: Any = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}
            if columns == 1:
                place = {"loc": "upper left", "bbox_to_anchor": (0, -0.15)}
            panel.legend(frameon=False, fontsize=7, labelcolor=INK, **place)
    _label_axis(panels, columns, sweeps_of_key[0].key, ticks)
    return figure


def _label_axis(panels: list[Axes], columns: int, key: str, ticks: list[Any]) -> None:
    for panel in panels[-columns:]:
        panel.set_xlabel("keep probability (1 - dropout)" if key == KEEP else option_title(key))
    if not all(isinstance(value, float) for value in ticks):
        return
    if is_logarithmic(ticks):
        panels[0].set_xscale("log")
    panels[0].set_xticks(ticks, [f"{value:g}" for value in ticks], minor=False)
    panels[0].minorticks_off()
    if key == KEEP:
        panels[0].invert_xaxis()


def _draw_panel(panel: Axes, sweep: Sweep, name: str, ticks: list[float] | None) -> None:
    """Draw each line of a sweep, the chosen setting filled.

    Args:
        ticks: the numbers of the axis; None where values are no numbers.
    """
    for i, rows in enumerate(sweep.lines[:MOST_LINES]):
        style = line_style(sweep.model)
        if i:
            style |= {"color": PALETTE[(PALETTE.index(style["color"]) + i) % len(PALETTE)]}
        if sweep.others:
            style["label"] = sweep.fixed[i] or "as chosen"
        _draw_line(panel, sweep, rows, name, ticks, style)


def _draw_line(
    panel: Axes,
    sweep: Sweep,
    rows: pd.DataFrame,
    name: str,
    ticks: list[float] | None,
    style: dict[str, Any],
) -> None:
    """Draw means with one deviation over seeds to each side."""
    values, chosen = sweep.values_of(rows), rows["chosen"].to_numpy(bool)
    mean, deviation = (rows[f"test_{name}_{kind}"].to_numpy(float) for kind in ("mean", "std"))
    if ticks is None:
        values = [_value(value) for value in values]
        style = style | {"linestyle": "none"}
        bars = panel.errorbar(
            values, mean, np.nan_to_num(deviation), markerfacecolor="none", ms=5, **style
        )
        points = bars.lines[0]
    else:
        x, y, spread = with_gaps(values, mean, np.nan_to_num(deviation), ticks)
        panel.fill_between(x, y - spread, y + spread, color=style["color"], alpha=0.2, lw=0)
        panel.plot(x, y, lw=1.4, **style | {"marker": "none"})
        marks = style | {"linestyle": "none", "label": None}
        (points,) = panel.plot(values, mean, markerfacecolor="none", ms=4, **marks)
    tooltips = [
        f"{model_title(sweep.model)}, {_value(value)}: {metric_title(name)} {value_at:.5f}"
        + (f" ± {spread:.5f}" if spread == spread else "")
        for value, value_at, spread in zip(values, mean, deviation, strict=True)
    ]
    set_tooltips(points, tooltips)
    if chosen.any():
        at = int(chosen.argmax())
        marks = style | {"linestyle": "none", "label": None}
        (best,) = panel.plot([values[at]], [mean[at]], **marks, ms=6)
        set_tooltips(best, [f"{tooltips[at]}; chosen"])
    panel.ticklabel_format(axis="y", useOffset=False)


def with_gaps(
    values: list[float], mean: Numbers, deviation: Numbers, ticks: list[float]
) -> tuple[Numbers, Numbers, Numbers]:
    """Return the points of a line, NaN where a value of other lines is missing between its own: no
    line is drawn there. A line that lacks most of them is of a sweep of its own and has no gap."""
    within = [tick for tick in ticks if min(values) <= tick <= max(values)]
    places = within if 2 * len(values) > len(within) else values
    at = dict(zip(values, zip(mean, deviation, strict=True), strict=True))
    nothing = (np.nan, np.nan)
    table = np.array([(place, *at.get(place, nothing)) for place in sorted(places)], float)
    return table[:, 0], table[:, 1], table[:, 2]


def _paper_points(key: str, numeric: bool) -> pd.DataFrame:
    """Return the paper's points of an option, in its order."""
    rows = published("deepfm_figures")
    rows = rows[rows["key"] == key].copy()
    if numeric:
        rows["value"] = rows["value"].astype(float)
    if key == KEEP:
        rows["value"] = 1 - rows["value"]
    return rows


def _draw_paper(
    panel: Axes, paper_points: pd.DataFrame, name: str, level: tuple[float, float], numeric: bool
) -> None:
    """Draw the paper's points to their own level, for they are of other data: compare the shape."""
    twin = panel.twinx()
    line = "-" if numeric else "none"
    twin.plot(
        paper_points["value"],
        paper_points[name],
        color=GREY,
        linestyle=line,
        marker=".",
        lw=1,
        zorder=1,
    )
    end = (paper_points["value"].iloc[-1], paper_points[name].iloc[-1])
    if name == FIGURES[0]:  # behind the end of the line
        place: Any = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
        twin.annotate("paper", end, (7, 0), color=SOFT, **place)
    margin = (level[1] - level[0]) / 10
    twin.set_ylim(level[0] - margin, level[1] + margin)
    twin.set_yticks([])
    twin.spines[:].set_visible(False)


def is_logarithmic(values: list[float]) -> bool:
    """Return whether the steps between values are more equal as ratios than as differences."""
    sorted_values = np.sort(np.asarray(values, float))
    if sorted_values[0] <= 0 or sorted_values[-1] < GEOMETRIC * sorted_values[0]:
        return False
    steps, ratios = np.diff(sorted_values), np.diff(np.log(sorted_values))
    return bool(
        ratios.std() / ratios.mean() < steps.std() / steps.mean() or len(sorted_values) == 2
    )


def _caption(sweep: Sweep) -> str:
    """Describe what one model's panels show."""
    auc = sweep.rows["test_auc_mean"].astype(float)
    deviation = sweep.rows["test_auc_std"].astype(float).mean()
    named = "keep probability" if sweep.key == KEEP else option_title(sweep.key)
    value_of = dict(zip(sweep.rows.index, sweep.values, strict=True))
    best = _value(value_of[auc.idxmax()])
    spread = f", where seeds deviate by {deviation:.4f}" if deviation == deviation else ""
    at = f" (at {sweep.fixed[0]})" if sweep.fixed and sweep.fixed[0] else ""
    text = f"{model_title(sweep.model)}{at}: the test AUC is highest at {named} {best}; "
    if (chosen := sweep.rows["chosen"]).any():
        text += f"the validation rows chose {_value(value_of[chosen.idxmax()])}."
    else:
        text += "the setting chosen on the validation rows is not on this line."
    text += f" It varies by {auc.max() - auc.min():.4f}{spread}."
    if sweep.pulled:
        text += f" With {option_title(sweep.key)} change {', '.join(sweep.pulled)}."
    if sweep.others:
        count = len(sweep.lines)
        more = f", {MOST_LINES} of them drawn" if count > MOST_LINES else ""
        text += f" {count} lines of as many points{more}, at different values of the other options."
    return text


def _explain_marks(sweeps_of_key: list[Sweep]) -> list[str]:
    """Return sentences that explain the marks of the panels."""
    lines = [line for sweep in sweeps_of_key for line in sweep.lines[:MOST_LINES]]
    sentences = [FILLED] if any(line["chosen"].any() for line in lines) else []
    has_deviations = any(line["test_auc_std"].notna().any() for line in lines)
    return [
        *sentences,
        BAND if has_deviations else "One seed each: the deviation over seeds is not known.",
    ]


def _source(paper: pd.DataFrame, sweeps_of_key: list[Sweep]) -> list[str]:
    paper_points = paper[paper["model"].isin([sweep.model for sweep in sweeps_of_key])]
    if paper_points.empty:
        return []
    row = paper_points.iloc[0]
    return [
        f"Grey: {row['place']} of {row['source']}, on its data set Company*, to its own level; "
        "what is compared is the shape."
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
