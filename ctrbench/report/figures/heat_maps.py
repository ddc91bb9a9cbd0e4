"""Heat maps: a model's test AUC over two swept options, one panel for each value of a third."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ctrbench.report.figures.drawing import Figure, canvas, save_figure, set_title
from ctrbench.report.figures.sweeps import option_table, override_table, sort_by_option
from ctrbench.report.group import Section
from ctrbench.report.names import model_title, option_title

PANELS = 6  # values of a third option that have a panel each
COLUMNS = 3


def heat_maps(section: Section) -> list[Figure]:
    """Return a drawing for each model that was swept over two or three options at once."""
    drawings = []
    for model, groups in section.groups.groupby("model", sort=False):
        axes = _swept_options(groups)
        if len(axes.columns) in (2, 3) and _is_full_grid(axes):
            drawings.append(_heat_map(str(model), groups, axes))
    return drawings


def _swept_options(groups: pd.DataFrame) -> pd.DataFrame:
    """Return the swept options as text columns, that with the fewest values last: by the overrides
    where they tell all settings apart, else by the composed values."""
    overrides = override_table(groups)
    axes = overrides if len(overrides) == len(groups) else option_table(groups)
    ordered = {key: list(dict.fromkeys(_values(groups, axes, key))) for key in axes.columns}
    keys = sorted(axes.columns, key=lambda key: -len(ordered[key]))
    return pd.DataFrame({k: pd.Categorical(axes[k], ordered[k]) for k in keys}, index=axes.index)


def _values(groups: pd.DataFrame, axes: pd.DataFrame, key: str) -> list[str]:
    """Return an option's values as text, in the order of its axis."""
    rows = groups.loc[axes.index]
    if key not in rows:
        rows = rows.assign(**{key: axes[key]})
    return list(axes.loc[sort_by_option(rows, key).index, key])


def _is_full_grid(axes: pd.DataFrame) -> bool:
    """Return whether there are more settings than a cross of sweeps has, in few enough panels."""
    sizes = [len(axes[key].cat.categories) for key in axes.columns]
    enough = len(axes) >= sum(sizes) - (len(sizes) - 2)
    return min(sizes) > 1 and enough and (len(sizes) == 2 or sizes[-1] <= PANELS)


def _heat_map(model: str, groups: pd.DataFrame, axes: pd.DataFrame) -> Figure:
    first, second, *third = axes.columns
    across, down = sorted((first, second))
    name, x, y = model_title(model), option_title(across), option_title(down)
    by = option_title(third[0]) if third else ""
    values = list(axes[third[0]].cat.categories) if third else [""]
    height, width = -(-len(values) // COLUMNS), min(COLUMNS, len(values))
    columns, index = (list(axes[key].cat.categories) for key in (across, down))
    size = (1.6 + 0.8 * len(columns), 0.8 + 0.45 * len(index))
    figure, grid = canvas(height, width, size)
    auc = groups["test_auc_mean"].astype(float)
    limits = (float(auc.min()), float(auc.max()))
    panels = [panel for row in grid for panel in row]
    for panel in panels[len(values) :]:
        panel.set_visible(False)
    for value, panel in zip(values, panels, strict=False):
        rows = axes[axes[third[0]] == value] if third else axes
        cells = (
            rows.assign(auc=auc[rows.index])
            .pivot(index=down, columns=across, values="auc")
            .reindex(index=index, columns=columns)
        )
        panel.imshow(
            cells.to_numpy(float), cmap="cividis", aspect="auto", vmin=limits[0], vmax=limits[1]
        )
        _write_cells(panel, cells, sum(limits) / 2)
        panel.set(xlabel=x, ylabel=y)
        set_title(panel, f"{name}: test AUC" + (f", {by} {value}" if third else ""))
    best, chosen = groups.loc[auc.idxmax()], groups[groups["chosen"]].iloc[0]
    empty = int(np.prod([len(axes[key].cat.categories) for key in axes.columns])) - len(axes)
    caption = (
        f"{name}: the test AUC is highest, {best['test_auc_mean']:.4f}, at {best['settings']}; "
        f"chosen on the validation rows was {chosen['settings']}."
    ) + (f" Combinations without a run: {empty}." if empty else "")
    title = f"{name} over {x} and {y}" + (f", by {by}" if third else "")
    return save_figure(figure, f"heat-{model}", title, caption)


def _write_cells(panel: Axes, cells: pd.DataFrame, middle: float) -> None:
    """Write the value of each cell in it, in black on the bright half of the scale."""
    for (i, j), value in np.ndenumerate(cells.to_numpy(float)):
        if value == value:
            color = "black" if value > middle else "white"
            panel.text(j, i, f"{value:.4f}", ha="center", va="center", color=color)
    panel.set_xticks(range(len(cells.columns)), list(cells.columns))
    panel.set_yticks(range(len(cells)), list(cells.index))
