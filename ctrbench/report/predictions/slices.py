"""Where each model wins: AUC and logloss of the chosen models on slices of the test rows.

Without the prepared rows the slices are by what the baseline predicts; with them, by how often the
rarest value of a row was seen in training, and by the values of a field that is asked for.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from matplotlib.figure import Figure as Canvas

from ctrbench import metrics
from ctrbench.data.schema import Field
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.markdown import NONE, Rows, cells
from ctrbench.report.figures.drawing import (
    GREY,
    INK,
    Figure,
    canvas,
    line_style,
    save_figure,
    set_tooltips,
    spread_labels,
)
from ctrbench.report.group import BASELINE
from ctrbench.report.names import model_title
from ctrbench.report.predictions.read import Predictions
from ctrbench.settings import nearest

FIFTHS = ("lowest fifth", "second", "third", "fourth", "highest fifth")
SEEN = (1, 10, 100, 1_000, 10_000)  # training rows with the rarest value of a row, from
VALUES = 8  # of a field, that have a slice of their own
LEAST = 20  # clicks, and rows without one, of a slice that is scored
MOST_LINES = 6  # of models; more are cells of a map
LEADER = 0.05  # of the axis, from the end of a line to its name
CHUNK = 1_000_000  # training rows that are read at once
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Slicing:
    """A way to cut the test rows.

    Attributes:
        of_N: for each row the number of its slice; -1 for none.
        names: of the slices.
    """

    title: str
    of_N: Numbers
    names: list[str]


def slicings(rows: Predictions, field: str | None = None) -> list[Slicing]:
    """Return all slicings that the files at hand allow."""
    if rows.store is None:
        if field is not None:
            raise UserError(f"slice={field}: needs the prepared rows (results/stores), not here")
        return [_slice_by_prediction(rows)]
    store = Store(rows.store)
    by_rarest = _slice_by_rarest(store)
    return [by_rarest] if field is None else [_slice_by_field(store, field), by_rarest]


def _slice_by_prediction(rows: Predictions) -> Slicing:
    model = BASELINE if BASELINE in rows.logits else next(iter(rows.logits))
    order = np.argsort(np.argsort(rows.logits[model], kind="stable"), kind="stable")
    return Slicing(
        f"by the rate that {model_title(model)} predicts",
        order * len(FIFTHS) // len(order),
        list(FIFTHS),
    )


def _slice_by_rarest(store: Store) -> Slicing:
    """Slice by the number of training rows that have the rarest value of a row with an id."""
    least = int(store.manifest["settings"]["min_count"])
    starts = [0, least, *(start for start in SEEN if start > least)]
    test = store.part("test").ids_NS
    rarest_N = np.full(len(test), np.iinfo(np.int64).max)
    for field, slots, counts in _training_counts(store):
        if field.encoding not in ("quantile", "value", "vector"):
            counts[0] = 0  # what has no id of its own
            if field.padding >= 0:
                counts[field.padding] = np.iinfo(np.int64).max
            rarest_N = np.minimum(rarest_N, counts[test[:, slots]].min(axis=1))
    of_N = np.searchsorted(starts, rarest_N, side="right") - 1
    names = ["none" if least == 1 else f"fewer than {least:,}"]
    names += [f"{low:,} to {high - 1:,}" for low, high in pairwise(starts[1:])]
    names.append(f"{starts[-1]:,} or more")
    return Slicing("by the training rows that hold their rarest value", of_N, names)


def _training_counts(store: Store) -> Iterator[tuple[Field, slice, Numbers]]:
    """Yield each field, its slots, and how often each of its ids is in the training rows."""
    train, fields = store.part("train").ids_NS, store.schema.present.fields
    counts = [np.zeros(field.size, np.int64) for field in fields]
    ends = np.cumsum([field.slots for field in fields])
    slots = [slice(end - field.slots, end) for field, end in zip(fields, ends, strict=True)]
    for start in range(0, len(train), CHUNK):
        rows = np.asarray(train[start : start + CHUNK])
        for field, field_slots, field_counts in zip(fields, slots, counts, strict=True):
            field_counts += np.bincount(rows[:, field_slots].ravel(), minlength=field.size)
    yield from zip(fields, slots, counts, strict=True)


def _slice_by_field(store: Store, name: str) -> Slicing:
    """Slice by the most frequent values of a field, the first of several that a row has."""
    fields = store.schema.present.fields
    names_of_fields = [field.name for field in fields]
    if name not in names_of_fields:
        raise UserError(f"slice={name}: no such field; {nearest(name, names_of_fields)}")
    place = names_of_fields.index(name)
    slot = sum(field.slots for field in fields[:place])
    ids_N = np.asarray(store.part("test").ids_NS[:, slot], np.int64)
    values, counts = np.unique(ids_N, return_counts=True)
    most = values[np.argsort(-counts, kind="stable")][:VALUES]
    of_N = np.full(len(ids_N), len(most))
    for i, value in enumerate(most):
        of_N[ids_N == value] = i
    names_of_ids = _values_of_ids(store.folder, name, fields[place].encoding)
    names = [names_of_ids.get(int(value), f"bin {value}") for value in most] + ["all others"]
    return Slicing(f"by {name}", of_N, names)


def _values_of_ids(folder: Path, name: str, encoding: str) -> dict[int, str]:
    """Return the values that the ids of a field with a vocabulary stand for."""
    if encoding in ("quantile", "value", "vector"):
        return {}
    if encoding == "hash":
        return {0: "missing"}
    for path in sorted(folder.glob("vocabulary/*.parquet")):
        if name in pl.read_parquet_schema(path):
            values = pl.read_parquet(path, columns=[name])[name][0]
            say = squared_logarithms if encoding == "log_squared" else str
            return {0: "rare or unseen"} | {
                i: "missing" if value is None else say(value) for i, value in enumerate(values, 1)
            }
    return {}


def squared_logarithms(bin_: int) -> str:
    """Return the whole numbers of a bin of :func:`ctrbench.data.store.encode.log_squared`."""
    if bin_ <= 2:
        return str(bin_)
    low, after = (math.ceil(math.exp(math.sqrt(bin_ - 2 + i))) for i in range(2))
    low, high = max(3, low), after - 1
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def slice_metrics(rows: Predictions, slicing: Slicing) -> pd.DataFrame:
    """Return a row for each slice and model: ``slice``, ``rows``, ``rate``, ``model``, ``auc``,
    ``logloss``; NaN where a slice has too few clicks."""
    rows_of_table = []
    for i, name in enumerate(slicing.names):
        chosen_N = slicing.of_N == i
        labels_N = rows.labels_N[chosen_N]
        weights_N = None if rows.weights_N is None else rows.weights_N[chosen_N]
        if not len(labels_N):
            continue
        clicks = int(labels_N.sum())
        columns = {"slice": name, "rows": len(labels_N), "rate": clicks / len(labels_N)}
        counted_N = labels_N if weights_N is None else labels_N[weights_N > 0]
        enough = np.bincount(counted_N, minlength=2).min() >= LEAST
        for model, logits_N in rows.logits.items():
            metrics_of_slice = (
                metrics.score(logits_N[chosen_N], labels_N, weights_N)
                if enough
                else {"auc": np.nan, "logloss": np.nan}
            )
            rows_of_table.append(columns | {"model": model} | metrics_of_slice)
    return pd.DataFrame(rows_of_table)


def slice_rows(slice_scores: pd.DataFrame) -> Rows:
    """Return a row for each slice: its rows, rate, the AUC of each model, and the best."""
    table: Rows = []
    for name, rows in slice_scores.groupby("slice", sort=False):
        first = rows.iloc[0]
        row = {
            "slice": str(name),
            "rows": f"{first['rows']:,}",
            "click rate": f"{first['rate']:.4f}",
        }
        titles = rows["model"].map(model_title)
        row |= dict(zip(titles, cells(rows["auc"], "{:.4f}"), strict=True))
        if len(rows) > 1:
            is_scored = rows["auc"].notna().any()
            row["best"] = titles[rows["auc"].idxmax()] if is_scored else NONE
        table.append(row)
    return table


def draw_slices(slice_scores: pd.DataFrame, slicing: Slicing) -> Figure | None:
    """Draw the AUC of each model over the slices, as the difference to the mean of all models."""
    scored = slice_scores.dropna(subset="auc")
    wide = scored.pivot(index="slice", columns="model", values="auc")
    wide = wide.reindex(index=scored["slice"].unique(), columns=scored["model"].unique())
    if wide.shape[0] < 2 or wide.shape[1] < 2:
        return None
    above = wide.sub(wide.mean(axis=1), axis=0)
    if len(above.columns) > MOST_LINES:
        figure, narrow = (_draw_map(above, wide, size) for size in (0.95, 0.55))
    else:
        figure, narrow = (_draw_lines(above, wide, slicing, width) for width in (7.4, 4.2))
    name = f"slices-{slicing.title}".replace(" ", "-")
    title = f"Where each model wins: {slicing.title}"
    return save_figure(figure, name, title, _caption(wide, slice_scores), narrow)


def _draw_lines(above: pd.DataFrame, wide: pd.DataFrame, slicing: Slicing, width: float) -> Canvas:
    """Draw a line for each model, its name behind the end, joined to it."""
    figure, ((panel,),) = canvas(1, 1, (width, 3.2))
    panel.axhline(0, color=GREY, lw=1)
    for model in above:
        style = line_style(str(model))
        (points,) = panel.plot(range(len(above)), above[model], lw=1.4, ms=4, **style)
        set_tooltips(points, _texts(wide, str(model)))
    all_of_it = (float(above.to_numpy().min()), float(above.to_numpy().max()))
    ends = spread_labels(above.iloc[-1], (all_of_it[1] - all_of_it[0]) / 16, all_of_it)
    last = len(above) - 1
    for model, height in zip(above, ends, strict=True):
        leader = last + last * LEADER
        panel.plot(
            [last, leader],
            [above[model].iloc[-1], height],
            color=line_style(str(model))["color"],
            lw=0.6,
            clip_on=False,
        )
        place: Any = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
        panel.annotate(model_title(str(model)), (leader, height), (3, 0), color=INK, **place)
    panel.set_xticks(range(len(above)), _wrapped(above.index))
    panel.set_xlabel(f"rows {slicing.title}")
    panel.set_ylabel("AUC above the models' mean")
    return figure


def _draw_map(above: pd.DataFrame, wide: pd.DataFrame, size: float) -> Canvas:
    """Draw a cell for each model and slice, the best of a slice framed."""
    order = wide.mean().sort_values(ascending=False, kind="stable").index
    cells = above[order].T
    figure, ((panel,),) = canvas(1, 1, (1.4 + size * len(above), 0.24 * len(cells) + 0.7))
    limit = float(np.abs(cells.to_numpy()).max())
    panel.pcolormesh(cells.to_numpy(), cmap="PuOr_r", vmin=-limit, vmax=limit)
    for (i, j), value in np.ndenumerate(cells.to_numpy()):
        color = "white" if abs(value) > 0.6 * limit else "black"
        is_best = value == cells.to_numpy()[:, j].max()
        weight: Any = "bold" if is_best else "normal"
        place: Any = {"ha": "center", "va": "center", "fontsize": 7}
        panel.text(j + 0.5, i + 0.5, f"{value:+.3f}", color=color, weight=weight, **place)
    panel.set_yticks(np.arange(len(cells)) + 0.5, [model_title(str(model)) for model in order])
    panel.set_xticks(np.arange(len(above)) + 0.5, _wrapped(above.index), fontsize=8)
    panel.invert_yaxis()
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_xlabel("AUC above the models' mean")
    return figure


def _texts(wide: pd.DataFrame, model: str) -> list[str]:
    title = model_title(model)
    return [f"{title}, {name}: AUC {auc:.4f}" for name, auc in wide[model].items()]


def _wrapped(names: Iterable[Any]) -> list[str]:
    """Return names of slices in lines, so that neighbours do not meet."""
    return [fill(str(name), 9, break_long_words=False) for name in names]


def _caption(wide: pd.DataFrame, slice_scores: pd.DataFrame) -> str:
    best = wide.idxmax(axis=1)
    best_models = "; ".join(f"{name}: {model_title(model)}" for name, model in best.items())
    few = len(slice_scores["slice"].unique()) - len(wide)
    too_few = f" Too few clicks: {few} of {len(wide) + few}." if few else ""
    return f"The best AUC, slice by slice: {best_models}. Of the first seed.{too_few}"
