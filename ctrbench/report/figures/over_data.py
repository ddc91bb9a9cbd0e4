"""A heat map of models over data sets: test AUC below the best of each."""

import pandas as pd

from ctrbench.report.figures.drawing import Figure, canvas, save_figure
from ctrbench.report.names import model_title

CELL, NAMES = (0.9, 0.32), (1.6, 0.9)  # inches


def draw_over_data(scores: pd.DataFrame) -> Figure:
    """Draw the difference of each model's test AUC to the best of the data set.

    Args:
        scores: a row for each data set, a column for each model, in the order of the figure; NaN
            where a model has no runs.
    """
    below = scores.sub(scores.max(axis=1), axis=0).T
    size = tuple(
        cell * count + names
        for cell, count, names in zip(CELL, reversed(below.shape), NAMES, strict=True)
    )
    figure, ((panel,),) = canvas(1, 1, (size[0], size[1]))
    panel.imshow(below.to_numpy(float), cmap="cividis", aspect="auto")
    middle = float(below.min().min()) / 2
    for y, (_, row) in enumerate(below.iterrows()):
        for x, value in enumerate(row):
            if value == value:
                text = "best" if value == 0 else f"{value:.4f}"
                color = "white" if value < middle else "black"
                panel.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    panel.set_xticks(range(below.shape[1]), [str(name) for name in below.columns], rotation=20)
    panel.set_yticks(range(below.shape[0]), [model_title(str(name)) for name in below.index])
    panel.tick_params(length=0)
    caption = "Test AUC minus that of the best model of the data set; models by their mean rank."
    return save_figure(figure, "over-data", "Below the best of each data set", caption)
