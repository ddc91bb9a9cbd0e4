"""Whether a model's probabilities are the rates that are seen, on the test rows."""

import math

import pandas as pd
import torch
from scipy import stats
from scipy.special import expit

from ctrbench import metrics
from ctrbench.report.figures.drawing import GREY, Drawing, canvas, entitle, finish, look, tell
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.markdown import NONE, Rows
from ctrbench.report.predictions.scored import Scored

DECILES = 10
COLUMNS = 4


def deciles(rows: Scored) -> pd.DataFrame:
    """A row for each model and tenth of the rows, by its predictions: ``model``, ``decile``,
    ``rows``, the mean ``predicted`` and ``observed`` click rate, and the one over the other
    (NaN without a click). Equal predictions stand in one tenth, that of their mean rank, so that a
    model with few different ones has no rows in some."""
    tables = []
    for model, logits_N in rows.logits.items():
        predicted_N = expit(logits_N)
        table = pd.DataFrame({"predicted": predicted_N, "observed": rows.labels_N})
        shares_N = (stats.rankdata(logits_N) - 0.5) / len(logits_N)
        grouped = table.groupby((shares_N * DECILES).astype(int) + 1)
        found = grouped.mean().assign(rows=grouped.size())
        tables.append(found.rename_axis("decile").reset_index().assign(model=model))
    made = pd.concat(tables, ignore_index=True)
    made["predicted_over_observed"] = made["predicted"] / made["observed"].replace(0, math.nan)
    names = ["model", "decile", "rows", "predicted", "observed", "predicted_over_observed"]
    return made[names]


def reading(rows: Scored, tenths: pd.DataFrame) -> Rows:
    """A row a model: normalised entropy, RIG, predicted over observed clicks, of all rows and of
    each tenth."""
    shown = []
    for model, own in tenths.groupby("model", sort=False):
        pair = torch.from_numpy(rows.logits[str(model)]), torch.from_numpy(rows.labels_N)
        found = metrics.beside(*pair, groups_N=None)
        row = {
            "model": str(model),
            "normalised entropy": f"{found['ne']:.4f}",
            "RIG": f"{found['rig']:.4f}",
            "predicted / observed": f"{found['predicted_over_observed']:.3f}",
        }
        ratios = own.set_index("decile")["predicted_over_observed"]
        for decile in range(1, DECILES + 1):
            seen = ratios.get(decile)
            none = NONE if seen is None else "no click"
            row[f"tenth {decile}"] = none if pd.isna(seen) else f"{seen:.2f}"
        shown.append(row)
    return shown


def drawing(rows: Scored, tenths: pd.DataFrame) -> Drawing:
    """Observed over predicted click rate of each tenth, a panel a model."""
    models = list(rows.logits)
    height, width = -(-len(models) // COLUMNS), min(COLUMNS, len(models))
    figure, axes = canvas(height, width, (2.1, 2.0), sharex=True, sharey=True)
    panels = [panel for row in axes for panel in row]
    for panel in panels[len(models) :]:
        panel.set_visible(False)
    end = float(tenths[["predicted", "observed"]].to_numpy().max())
    for model, panel in zip(models, panels, strict=False):
        own = tenths[tenths["model"] == model]
        low, high = _intervals(own)
        style = look(model) | {"linestyle": "none"}
        panel.plot([0, end], [0, end], color=GREY, lw=1)
        panel.vlines(own["predicted"], low, high, color=style["color"], lw=1)
        (points,) = panel.plot(own["predicted"], own["observed"], ms=4, **style)
        tell(
            points,
            [
                f"{model}, tenth {t.decile} ({t.rows:,} rows): predicted {t.predicted:.4f}, "
                f"observed {t.observed:.4f}"
                for t in own.itertuples()
            ],
        )
        entitle(panel, model)
    for panel in panels[max(0, len(models) - width) : len(models)]:
        panel.set_xlabel("predicted rate")
        panel.tick_params(labelbottom=True)
    for row in axes:
        row[0].set_ylabel("observed rate")
    return finish(figure, "calibration", "Calibration: observed against predicted clicks", _says())


def _says() -> str:
    return (
        "Each point is a tenth of the test rows, by the model's own prediction; on the grey line "
        f"predicted and observed rates agree; lines: {LEVEL:.0%} intervals of the observed rate. "
        "Normalised entropy is the logloss divided by that of predicting the mean click rate for "
        "every row; RIG is one minus it. Of the first seed."
    )


def _intervals(own: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Wilson's, of the observed rates."""
    found = []
    for tenth in own.itertuples():
        clicks = round(tenth.observed * tenth.rows)
        tested = stats.binomtest(clicks, int(tenth.rows))
        found.append(tested.proportion_ci(LEVEL, method="wilson"))
    return [float(one.low) for one in found], [float(one.high) for one in found]
