"""Excess logloss of each model on planted effects, by their order."""

import json
from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ctrbench.report.figures.drawing import (
    GREY,
    Figure,
    line_style,
    panels_of,
    save_figure,
    set_title,
    set_tooltips,
)
from ctrbench.report.figures.overview import chosen_rows
from ctrbench.report.group import Section
from ctrbench.report.names import model_title

EFFECTS = "data.effects"
MEAN, STD = "test_excess_logloss_mean", "test_excess_logloss_std"
COLUMNS = 3


def excess_by_order(parts: list[Section]) -> Figure | None:
    """Draw the excess logloss of each model, a panel for each set of effects; None without two
    sets."""
    planted = [part for part in parts if has_effects(part)]
    shares = {str(part.runs[EFFECTS].iloc[0]): part for part in planted}
    if len(shares) < 2 or len(shares) < len(planted):
        return None
    ordered = _sort_effects(shares)
    figure, narrow = (_draw_panels(shares, ordered, n) for n in (COLUMNS, 1))
    caption = f"{effects_sentence(parts)} Zero is the best that these rows allow."
    return save_figure(figure, "orders", "What is left, by order of effect", caption, narrow)


def _draw_panels(shares: dict[str, Section], ordered: list[str], columns: int) -> Canvas:
    models = max(len(chosen_rows(part)) for part in shares.values())
    size = (3.3, 0.8 + 0.2 * models)
    figure, panels, width = panels_of(len(ordered), columns, size, sharex=True)
    for effects, panel in zip(ordered, panels, strict=True):
        rows = chosen_rows(shares[effects]).sort_values(MEAN, kind="stable", ignore_index=True)
        set_title(panel, effects_text(effects))
        _draw_models(panel, rows)
    for panel in panels[-width:]:
        panel.set_xlabel("excess logloss (best reachable: 0)")
        panel.tick_params(labelbottom=True)
    return figure


def effects_sentence(parts: list[Section]) -> str:
    """Return which model leaves least of each set of effects."""
    planted = {str(part.runs[EFFECTS].iloc[0]): part for part in parts if has_effects(part)}
    sentences = []
    for effects in _sort_effects(planted):
        best = chosen_rows(planted[effects]).sort_values(MEAN, kind="stable").iloc[0]
        name, least = model_title(best["model"]), best[MEAN]
        sentences.append(f"{effects_text(effects)}: {name} leaves least, {least:.4f}")
    text = "; ".join(sentences)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _sort_effects(effects: Iterable[str]) -> list[str]:
    return sorted(effects, key=lambda text: [-share for share in json.loads(text)])


def has_effects(section: Section) -> bool:
    """Return whether the rows of a section are planted; columns of other sections are empty."""
    columns = ((section.groups, MEAN), (section.runs, EFFECTS))
    return all(name in table and table[name].notna().all() for table, name in columns)


def _draw_models(panel: Axes, rows: pd.DataFrame) -> None:
    panel.axvline(0, color=GREY, lw=1)
    for i, row in rows.iterrows():
        style = line_style(row["model"])
        spread = row[STD] if row[STD] == row[STD] else 0
        panel.plot([0, row[MEAN]], [i, i], color=style["color"], lw=1, alpha=0.4)
        panel.plot([row[MEAN] - spread, row[MEAN] + spread], [i, i], color=style["color"], lw=2)
        (point,) = panel.plot(row[MEAN], i, ms=5, **style | {"linestyle": "none"})
        set_tooltips(
            point, [f"{model_title(row['model'])}: {row[MEAN]:.5f} above the best reachable"]
        )
    panel.set_yticks(rows.index, rows["model"].map(model_title))
    panel.set_ylim(len(rows) - 0.5, -0.5)


def effects_text(effects: str) -> str:
    """Return ``[0.5, 0.5, 0, 0]`` as "orders 1, 2", and unequal shares with their sizes."""
    shares = {order: share for order, share in enumerate(json.loads(effects), 1) if share}
    orders = ", ".join(map(str, shares))
    if len(shares) == 1:
        return f"order {orders}"
    if len(set(shares.values())) == 1:
        return f"orders {orders}"
    return ", ".join(f"{share:.0%} order {order}" for order, share in shares.items())
