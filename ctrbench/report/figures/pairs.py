"""Two settings of an option, side by side for each model."""

import pandas as pd
from matplotlib.figure import Figure as Canvas

from ctrbench.report.figures.drawing import (
    DEVIATION,
    GREY,
    INK,
    PALETTE,
    Figure,
    canvas,
    save_figure,
    set_tooltips,
)
from ctrbench.report.figures.sweeps import sweeps
from ctrbench.report.group import Section, as_text
from ctrbench.report.judged.comparisons import BETTER
from ctrbench.report.names import list_titles, metric_title, model_title, option_title


def setting_pairs(section: Section, option: str, metric: str) -> pd.DataFrame:
    """Return a row for each model with two settings of an option, the largest gain first.

    Columns: ``model``, ``values``, ``means``, ``deviations`` (pairs, in the order of the option)
    and ``gain``, positive where the second setting is better.
    """
    rows = []
    for sweep in sweeps(section).get(option, []):
        mean = f"test_{metric}_mean"
        if len(sweep.rows) != 2 or mean not in sweep.rows:
            continue
        means = tuple(sweep.rows[mean].astype(float))
        rows.append(
            {
                "model": sweep.model,
                "values": tuple(map(as_text, sweep.rows[option])),
                "means": means,
                "deviations": tuple(sweep.rows[f"test_{metric}_std"].astype(float).fillna(0)),
                "gain": (means[1] - means[0]) * BETTER.get(metric, -1),
            }
        )
    table = pd.DataFrame(rows, columns=["model", "values", "means", "deviations", "gain"])
    return table.sort_values("gain", ascending=False, kind="stable", ignore_index=True)


def pairs_sentence(pairs: pd.DataFrame, option: str, metric: str) -> str:
    """Return for how many models the second setting is better, and for which the most."""
    better = int((pairs["gain"] > 0).sum())
    first, second = pairs["values"][0]
    name, most = option_title(option), pairs.iloc[0]
    text = (
        f"{name[0].upper()}{name[1:]}={second} improves the {metric_title(metric)} of {better} of "
        f"{len(pairs)} models over {name}={first}"
    )
    return (
        f"{text}, most {list_titles([most['model']])}, by {most['gain']:.4f}."
        if better
        else (f"{text}.")
    )


def draw_pairs(pairs: pd.DataFrame, option: str, metric: str) -> Figure:
    """Draw both settings of each model, joined by a line."""
    figure, narrow = (_draw(pairs, option, metric, width) for width in (8.0, 4.2))
    several = any(deviation > 0 for both in pairs["deviations"] for deviation in both)
    caption = f"{pairs_sentence(pairs, option, metric)} Sorted by the gain."
    caption += f" Lines through the dots: {DEVIATION}." if several else " One seed each."
    name = f"pairs-{option}".replace("/", "-")
    title = f"Test {metric_title(metric)} by {option_title(option)}"
    return save_figure(figure, name, title, caption, narrow)


def _draw(pairs: pd.DataFrame, option: str, metric: str, width: float) -> Canvas:
    figure, ((panel,),) = canvas(1, 1, (width, 0.28 * len(pairs) + 0.8))
    places = list(range(len(pairs)))
    both = pd.DataFrame(pairs["means"].tolist())
    spread = pd.DataFrame(pairs["deviations"].tolist())
    panel.hlines(places, both[0], both[1], color=GREY, lw=1, zorder=1)
    for i, color in enumerate((GREY, PALETTE[0])):
        label = f"{option_title(option)}={pairs['values'][0][i]}"
        bars = panel.errorbar(
            both[i], places, xerr=spread[i], fmt="o", color=color, ms=5, lw=1.2, label=label
        )
        set_tooltips(
            bars.lines[0],
            [
                f"{model_title(model)}, {label}: {metric_title(metric)} {value:.5f}"
                for model, value in zip(pairs["model"], both[i], strict=True)
            ],
        )
    panel.set_yticks(places, [model_title(model) for model in pairs["model"]])
    panel.set(ylim=(len(pairs) - 0.5, -0.5), xlabel=f"test {metric_title(metric)}")
    panel.ticklabel_format(axis="x", useOffset=False)
    panel.legend(frameon=False, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure
