"""Test AUC and logloss over the number of training rows."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from ctrbench.report.figures.drawing import (
    DEVIATION,
    GREY,
    INK,
    Figure,
    canvas,
    line_style,
    save_figure,
    set_title,
    set_tooltips,
    spread_labels,
)
from ctrbench.report.group import FIGURES
from ctrbench.report.judged.crossings import Crossing
from ctrbench.report.names import metric_title, model_title

LABELS = 14  # of a panel's height, one above the other


def draw_scaling(points: pd.DataFrame, crossings: list[Crossing], caption: str) -> Figure:
    """Draw a line with its deviation over seeds for each model, a panel for each figure.

    Args:
        points: of :func:`ctrbench.report.judged.crossings.row_points`.
        crossings: those that are significant are marked.
        caption: what is said of them.
    """
    figure, (panels,) = canvas(1, len(FIGURES), (5.2, 3.4), sharex=True)
    for name, panel in zip(FIGURES, panels, strict=True):
        for model, line in points.groupby("model", sort=False):
            _draw_line(panel, str(model), line.sort_values("rows"), name)
        for crossing in crossings:
            if crossing.figure == name and crossing.is_significant:
                for place in crossing.places:
                    panel.axvline(place, color=GREY, lw=0.8, linestyle=":")
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        panel.xaxis.set_major_formatter("{x:,.0f}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.ticklabel_format(axis="y", useOffset=False)
        panel.set_xlabel("training rows")
        set_title(panel, f"test {metric_title(name)}")
        _label_ends(panel, points, name)
    spread = f" Bands: {DEVIATION}." if points[f"{FIGURES[0]}_std"].notna().any() else ""
    title = "Test AUC and logloss by the number of training rows"
    return save_figure(figure, "scaling", title, f"{caption}{spread}")


def _draw_line(panel: Axes, model: str, line: pd.DataFrame, name: str) -> None:
    style, spread = line_style(model), line[f"{name}_std"].fillna(0)
    low, high = line[name] - spread, line[name] + spread
    panel.fill_between(line["rows"], low, high, color=style["color"], alpha=0.2, lw=0)
    (points,) = panel.plot(line["rows"], line[name], lw=1.4, ms=4, **style)
    texts = [
        f"{model_title(model)}, {rows:,} training rows: {metric_title(name)} {value:.5f}"
        + (f" ± {deviation:.5f}" if deviation == deviation else "")
        for rows, value, deviation in zip(
            line["rows"], line[name], line[f"{name}_std"], strict=True
        )
    ]
    set_tooltips(points, texts)


def _label_ends(panel: Axes, points: pd.DataFrame, name: str) -> None:
    """Write the name of each model behind the end of its line."""
    last = points.sort_values("rows").groupby("model", sort=False).last()
    low, high = panel.get_ylim()
    step = (high - low) / LABELS  # the lowest label stands half a step above the axis
    heights = spread_labels(last[name], step, (low + step / 2, high))
    for model, rows, height in zip(last.index, last["rows"], heights, strict=True):
        panel.annotate(
            model_title(str(model)),
            (float(rows), height),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            annotation_clip=False,
        )
