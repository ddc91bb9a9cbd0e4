"""What each model leaves of planted effects, by their order."""

import json

import pandas as pd
from matplotlib.axes import Axes

from ctrbench.report.figures.drawing import GREY, Drawing, canvas, entitle, finish, look, tell
from ctrbench.report.figures.overview import chosen_rows
from ctrbench.report.group import Section

EFFECTS = "data.effects"
MEAN, STD = "test_excess_logloss_mean", "test_excess_logloss_std"
COLUMNS = 3


def left_by_order(parts: list[Section]) -> Drawing | None:
    """Logloss above the best reachable of each model, a panel for each set of effects; None where
    fewer than two sets are there."""
    planted = [part for part in parts if MEAN in part.groups and EFFECTS in part.runs]
    shares = {str(part.runs[EFFECTS].iloc[0]): part for part in planted}
    if len(shares) < 2 or len(shares) < len(planted):
        return None
    ordered = sorted(shares, key=lambda effects: [-share for share in json.loads(effects)])
    height, width = -(-len(ordered) // COLUMNS), min(COLUMNS, len(ordered))
    models = max((len(chosen_rows(part)) for part in planted), default=1)
    figure, axes = canvas(height, width, (2.7, 0.8 + 0.2 * models), sharex=True)
    panels = [panel for row in axes for panel in row]
    for panel in panels[len(ordered) :]:
        panel.set_visible(False)
    said = []
    for effects, panel in zip(ordered, panels, strict=False):
        rows = chosen_rows(shares[effects]).sort_values(MEAN, kind="stable", ignore_index=True)
        entitle(panel, in_words(effects))
        _panel(panel, rows)
        first = rows.iloc[0]
        said.append(f"{in_words(effects)}: {first['model']} leaves least, {first[MEAN]:.4f}")
    for panel in panels[: len(ordered)]:
        panel.set_xlabel("logloss above the best reachable")
    says = f"{'; '.join(said)}. Zero is the best that these rows allow."
    return finish(figure, "orders", "What is left, by order of effect", says)


def _panel(panel: Axes, rows: pd.DataFrame) -> None:
    panel.axvline(0, color=GREY, lw=1)
    for i, row in rows.iterrows():
        style = look(row["model"])
        spread = row[STD] if row[STD] == row[STD] else 0
        panel.plot([0, row[MEAN]], [i, i], color=style["color"], lw=1, alpha=0.4)
        panel.plot([row[MEAN] - spread, row[MEAN] + spread], [i, i], color=style["color"], lw=2)
        (point,) = panel.plot(row[MEAN], i, ms=5, **style | {"linestyle": "none"})
        tell(point, [f"{row['model']}: {row[MEAN]:.5f} above the best reachable"])
    panel.set_yticks(rows.index, rows["model"])
    panel.set_ylim(len(rows) - 0.5, -0.5)


def in_words(effects: str) -> str:
    """``[0.5, 0.5, 0, 0]`` as "orders 1, 2"; unequal shares are said."""
    shares = {order: share for order, share in enumerate(json.loads(effects), 1) if share}
    orders = ", ".join(map(str, shares))
    if len(shares) == 1:
        return f"order {orders}"
    if len(set(shares.values())) == 1:
        return f"orders {orders}"
    return ", ".join(f"{share:.0%} order {order}" for order, share in shares.items())
