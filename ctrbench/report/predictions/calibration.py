"""Calibration of the chosen models on the test rows."""

import math
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Canvas
from scipy import stats
from scipy.special import expit

from ctrbench import metrics
from ctrbench.markdown import NONE, Rows
from ctrbench.report.figures.drawing import (
    GREY,
    Figure,
    line_style,
    panels_of,
    save_figure,
    set_title,
    set_tooltips,
)
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.names import model_title
from ctrbench.report.predictions.read import Predictions

DECILES = 10
COLUMNS, NARROW = 5, 2  # of panels, in wide and narrow windows


def deciles(rows: Predictions) -> pd.DataFrame:
    """Return a row for each model and tenth of the rows, by its predictions.

    Columns: ``model``, ``decile``, ``rows``, ``effective`` (rows of equal weight that would tell as
    much, Kish 1965), the mean ``predicted`` and ``observed`` click rate, and
    ``predicted_over_observed`` (NaN without a click). Equal predictions are in one tenth, that of
    their mean rank, so that a model with few different ones has no rows in some.
    """
    tables = []
    for model, logits_N in rows.logits.items():
        predicted_N = expit(logits_N)
        table = pd.DataFrame({"predicted": predicted_N, "observed": rows.labels_N})
        shares_N = (stats.rankdata(logits_N) - 0.5) / len(logits_N)
        tenth_N = (shares_N * DECILES).astype(int) + 1
        table = _means(table, tenth_N, rows.weights_N)
        tables.append(table.rename_axis("decile").reset_index().assign(model=model))
    calibration = pd.concat(tables, ignore_index=True)
    calibration["predicted_over_observed"] = calibration["predicted"] / calibration[
        "observed"
    ].replace(0, math.nan)
    names = ["model", "decile", "rows", "effective", "predicted", "observed"]
    names.append("predicted_over_observed")
    return calibration[names]


def _means(table: pd.DataFrame, tenth_N: Any, weights_N: Any) -> pd.DataFrame:
    """Return the mean of the columns, the rows, and the effective rows of each tenth."""
    rows = table.groupby(tenth_N).size()
    if weights_N is None:
        return table.groupby(tenth_N).mean().assign(rows=rows, effective=rows)
    weights = pd.Series(weights_N, dtype=float)
    sums, squares = (column.groupby(tenth_N).sum() for column in (weights, weights**2))
    means = table.mul(weights, axis=0).groupby(tenth_N).sum().div(sums, axis=0)
    return means.assign(rows=rows, effective=(sums**2 / squares).fillna(0))


def calibration_rows(rows: Predictions, tenths: pd.DataFrame) -> Rows:
    """Return a row for each model: normalised entropy, RIG, and predicted over observed clicks of
    all rows and of each tenth."""
    table = []
    for model, model_tenths in tenths.groupby("model", sort=False):
        weights = (rows.weights_N, rows.negative_rate)
        scores = metrics.beside(rows.logits[str(model)], rows.labels_N, None, *weights)
        row = {
            "model": model_title(str(model)),
            "normalised entropy": f"{scores['ne']:.4f}",
            "RIG": f"{scores['rig']:.4f}",
            "predicted / observed": f"{scores['predicted_over_observed']:.3f}",
        }
        if rows.negative_rate is not None:
            corrected = scores["corrected_predicted_over_observed"]
            row["corrected for the sampling"] = f"{corrected:.3f}"
        ratios = model_tenths.set_index("decile")["predicted_over_observed"]
        for decile in range(1, DECILES + 1):
            ratio = ratios.get(decile)
            none = NONE if ratio is None else "no click"
            row[f"tenth {decile}"] = none if pd.isna(ratio) else f"{ratio:.2f}"
        table.append(row)
    return table


def draw_calibration(rows: Predictions, tenths: pd.DataFrame) -> Figure:
    """Draw the observed over the predicted click rate of each tenth, a panel for each model."""
    figure, narrow = (_draw_panels(list(rows.logits), tenths, n) for n in (COLUMNS, NARROW))
    title = "Calibration: observed against predicted clicks"
    return save_figure(figure, "calibration", title, _caption(), narrow)


def _draw_panels(models: list[str], tenths: pd.DataFrame, columns: int) -> Canvas:
    figure, panels, width = panels_of(len(models), columns, (2.1, 2.0), sharex=True, sharey=True)
    end = float(tenths[["predicted", "observed"]].to_numpy().max())
    for model, panel in zip(models, panels, strict=True):
        model_tenths = tenths[tenths["model"] == model]
        low, high = _intervals(model_tenths)
        style = line_style(model) | {"linestyle": "none"}
        panel.plot([0, end], [0, end], color=GREY, lw=1)
        panel.vlines(model_tenths["predicted"], low, high, color=style["color"], lw=1)
        (points,) = panel.plot(model_tenths["predicted"], model_tenths["observed"], ms=4, **style)
        set_tooltips(
            points,
            [
                f"{model_title(model)}, tenth {t.decile} ({t.rows:,} rows): predicted "
                f"{t.predicted:.4f}, observed {t.observed:.4f}"
                for t in model_tenths.itertuples()
            ],
        )
        set_title(panel, model_title(model))
    for panel in panels[-width:]:
        panel.set_xlabel("predicted rate")
        panel.tick_params(labelbottom=True)
    for panel in panels[::width]:
        panel.set_ylabel("observed rate")
    return figure


def _caption() -> str:
    return (
        "Each point is a tenth of the test rows, by the model's own prediction; on the grey line "
        f"predicted and observed rates agree; lines: {LEVEL:.0%} intervals of the observed rate. "
        "Normalised entropy is the logloss divided by that of predicting the mean click rate for "
        "every row; RIG is one minus it. Of the first seed."
    )


def _intervals(model_tenths: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Return Wilson's intervals of the observed rates."""
    intervals = []
    for tenth in model_tenths.itertuples():
        effective = max(1, round(tenth.effective))
        tested = stats.binomtest(round(tenth.observed * effective), effective)
        intervals.append(tested.proportion_ci(LEVEL, method="wilson"))
    return [float(interval.low) for interval in intervals], [
        float(interval.high) for interval in intervals
    ]
