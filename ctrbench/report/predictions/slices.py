"""Where each model wins: AUC and logloss of the chosen models on slices of the test rows.

Without the prepared rows the slices are by what the baseline predicts; with them, by how often the
rarest value of a row was seen in training, and by the values of a field that is asked for.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import torch

from ctrbench import metrics
from ctrbench.data.schema import Field
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError
from ctrbench.report.figures.drawing import GREY, INK, Drawing, apart, canvas, finish, look, tell
from ctrbench.report.group import BASELINE
from ctrbench.report.markdown import NONE, Rows, cells
from ctrbench.report.predictions.scored import Scored
from ctrbench.settings import nearest

FIFTHS = ("lowest fifth", "second", "third", "fourth", "highest fifth")
SEEN = (1, 10, 100, 1_000, 10_000)  # training rows with the rarest value of a row, from
VALUES = 8  # of a field, that have a slice of their own
LEAST = 20  # clicks, and rows without one, of a slice that is scored
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


def slicings(rows: Scored, field: str | None = None) -> list[Slicing]:
    """All that can be made of what is at hand.

    Raises:
        UserError: if ``field`` is none of the data, or the prepared rows are not here.
    """
    if rows.store is None:
        if field is not None:
            raise UserError(f"slice={field}: needs the prepared rows (results/stores), not here")
        return [_by_prediction(rows)]
    store = Store(rows.store)
    made = [_by_rarest(store)]
    return [_by_field(store, field), *made] if field is not None else made


def _by_prediction(rows: Scored) -> Slicing:
    model = BASELINE if BASELINE in rows.logits else next(iter(rows.logits))
    order = np.argsort(np.argsort(rows.logits[model], kind="stable"), kind="stable")
    return Slicing(
        f"by the rate that {model} predicts",
        order * len(FIFTHS) // len(order),
        list(FIFTHS),
    )


def _by_rarest(store: Store) -> Slicing:
    """By the training rows that hold the rarest value of the row, of those that have an id."""
    least = int(store.manifest["settings"]["min_count"])
    starts = [0, least, *(start for start in SEEN if start > least)]
    test = store.part("test").ids_NS
    rarest_N = np.full(len(test), np.iinfo(np.int64).max)
    for field, own, counts in _training_counts(store):
        if field.encoding not in ("quantile", "value"):
            counts[0] = 0  # what has no id of its own
            if field.padding >= 0:
                counts[field.padding] = np.iinfo(np.int64).max
            rarest_N = np.minimum(rarest_N, counts[test[:, own]].min(axis=1))
    of_N = np.searchsorted(starts, rarest_N, side="right") - 1
    names = ["none" if least == 1 else f"fewer than {least:,}"]
    names += [f"{low:,} to {high - 1:,}" for low, high in pairwise(starts[1:])]
    names.append(f"{starts[-1]:,} or more")
    return Slicing("by the training rows that hold their rarest value", of_N, names)


def _training_counts(store: Store) -> Iterator[tuple[Field, slice, Numbers]]:
    """Of each field its slots, and how often each of its ids stands in the training rows."""
    train, fields = store.part("train").ids_NS, store.schema.present.fields
    counts = [np.zeros(field.size, np.int64) for field in fields]
    ends = np.cumsum([field.slots for field in fields])
    slots = [slice(end - field.slots, end) for field, end in zip(fields, ends, strict=True)]
    for start in range(0, len(train), CHUNK):
        rows = np.asarray(train[start : start + CHUNK])
        for field, own, seen in zip(fields, slots, counts, strict=True):
            seen += np.bincount(rows[:, own].ravel(), minlength=field.size)
    yield from zip(fields, slots, counts, strict=True)


def _by_field(store: Store, name: str) -> Slicing:
    """By the most frequent values of a field, the first of several that a row has."""
    fields = store.schema.present.fields
    known = [field.name for field in fields]
    if name not in known:
        raise UserError(f"slice={name}: no such field; {nearest(name, known)}")
    place = known.index(name)
    slot = sum(field.slots for field in fields[:place])
    ids_N = np.asarray(store.part("test").ids_NS[:, slot], np.int64)
    found, counts = np.unique(ids_N, return_counts=True)
    most = found[np.argsort(-counts, kind="stable")][:VALUES]
    of_N = np.full(len(ids_N), len(most))
    for i, value in enumerate(most):
        of_N[ids_N == value] = i
    said = _names(store.folder, name, fields[place].encoding)
    names = [said.get(int(value), f"bin {value}") for value in most] + ["all others"]
    return Slicing(f"by {name}", of_N, names)


def _names(folder: Path, name: str, encoding: str) -> dict[int, str]:
    """What the ids of a field of a vocabulary stand for."""
    if encoding in ("quantile", "value"):
        return {}
    for path in sorted(folder.glob("vocabulary/*.parquet")):
        if name in pl.read_parquet_schema(path):
            values = pl.read_parquet(path, columns=[name])[name][0]
            say = squared_logarithms if encoding == "log_squared" else str
            return {0: "rare or unseen"} | {
                i: "missing" if value is None else say(value) for i, value in enumerate(values, 1)
            }
    return {}


def squared_logarithms(bin_: int) -> str:
    """The whole numbers of a bin of :func:`ctrbench.data.store.encode.log_squared`."""
    if bin_ <= 2:
        return str(bin_)
    low, after = (math.ceil(math.exp(math.sqrt(bin_ - 2 + i))) for i in range(2))
    low, high = max(3, low), after - 1
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def scores(rows: Scored, slicing: Slicing) -> pd.DataFrame:
    """A row for each slice and model: ``slice``, ``rows``, ``rate``, ``model``, ``auc``,
    ``logloss``; NaN where a slice has too few clicks to tell."""
    found = []
    for i, name in enumerate(slicing.names):
        chosen_N = slicing.of_N == i
        labels_N = rows.labels_N[chosen_N]
        if not len(labels_N):
            continue
        clicks = int(labels_N.sum())
        about = {"slice": name, "rows": len(labels_N), "rate": clicks / len(labels_N)}
        told = min(clicks, len(labels_N) - clicks) >= LEAST
        for model, logits_N in rows.logits.items():
            pair = (torch.from_numpy(logits_N[chosen_N]), torch.from_numpy(labels_N))
            own = metrics.score(*pair) if told else {"auc": np.nan, "logloss": np.nan}
            found.append(about | {"model": model} | own)
    return pd.DataFrame(found)


def reading(found: pd.DataFrame) -> Rows:
    """A row a slice: its rows, rate, the AUC of each model, and the best."""
    shown: Rows = []
    for name, own in found.groupby("slice", sort=False):
        first = own.iloc[0]
        row = {"rows of": str(name), "rows": f"{first['rows']:,}", "rate": f"{first['rate']:.4f}"}
        row |= dict(zip(own["model"], cells(own["auc"], "{:.4f}"), strict=True))
        best = own.loc[own["auc"].idxmax(), "model"] if own["auc"].notna().any() else NONE
        shown.append(row | {"best": str(best)})
    return shown


def drawing(found: pd.DataFrame, slicing: Slicing) -> Drawing | None:
    """AUC of each model over the slices, as the difference to the mean of all models there."""
    told = found.dropna(subset="auc")
    wide = told.pivot(index="slice", columns="model", values="auc")
    wide = wide.reindex(index=told["slice"].unique(), columns=told["model"].unique())
    if wide.shape[0] < 2 or wide.shape[1] < 2:
        return None
    above = wide.sub(wide.mean(axis=1), axis=0)
    figure, ((panel,),) = canvas(1, 1, (6.4, 3.2))
    panel.axhline(0, color=GREY, lw=1)
    for model in above:
        style = look(str(model))
        (points,) = panel.plot(range(len(above)), above[model], lw=1.4, ms=4, **style)
        tell(points, [f"{model}, {name}: AUC {auc:.4f}" for name, auc in wide[model].items()])
    all_of_it = (float(above.to_numpy().min()), float(above.to_numpy().max()))
    ends = apart(above.iloc[-1], (all_of_it[1] - all_of_it[0]) / 16, all_of_it)
    for model, height in zip(above, ends, strict=True):
        place: Any = {"textcoords": "offset points", "va": "center", "color": INK}
        panel.annotate(str(model), (len(above) - 1, height), (7, 0), **place)
    panel.set_xticks(range(len(above)), [str(name) for name in above.index])
    panel.set_xlabel(f"rows {slicing.title}")
    panel.set_ylabel("AUC above the models' mean")
    name = f"slices-{slicing.title}".replace(" ", "-")
    return finish(figure, name, f"Where each model wins: {slicing.title}", _says(wide, found))


def _says(wide: pd.DataFrame, found: pd.DataFrame) -> str:
    best = wide.idxmax(axis=1)
    said = "; ".join(f"{name}: {model}" for name, model in best.items())
    few = len(found["slice"].unique()) - len(wide)
    left = f" Too few clicks to tell: {few} of {len(wide) + few}." if few else ""
    return f"The best AUC, slice by slice: {said}. Of the first seed.{left}"
