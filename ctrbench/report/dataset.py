"""Summary of a data set before training, for the terminal and as a self-contained page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ctrbench.data.row_notes import row_notes
from ctrbench.data.split import PARTS
from ctrbench.data.store.field_auc import field_aucs
from ctrbench.data.store.opened import Store
from ctrbench.markdown import markdown
from ctrbench.report.figures.drawing import INK, PALETTE, Figure, canvas, save_figure
from ctrbench.report.html import render
from ctrbench.report.output import write_folder

DEVIATIONS = 5.0  # between the rates of two parts


@dataclass
class FieldStatistics:
    """Statistics of one field.

    Attributes:
        ids: number of its ids without that of rare and unseen values.
        missing: share of the training rows' values.
        unseen: shares of the validation and test rows' values that have no id of their own.
        auc: on the validation rows, of the smoothed click rate of its values in the training rows.
    """

    name: str
    type: str
    encoding: str
    distinct: int
    ids: int
    missing: float
    unseen: tuple[float, float]
    auc: float


def field_statistics(store: Store) -> list[FieldStatistics]:
    """Return statistics of all fields of a store, the highest AUC first."""
    parts = {name: store.part(name) for name in PARTS}
    statistics, slot = [], 0
    aucs = field_aucs(store.schema, parts)
    for field, counted, auc in zip(
        store.schema.fields, store.manifest["statistics"], aucs, strict=True
    ):
        slots = slice(slot, slot + field.slots)
        has_oov = field.encoding not in ("quantile", "value", "vector", "hash")
        unseen = []
        for name in ("valid", "test"):
            ids = np.asarray(parts[name].slots(slots))
            unseen.append(_share(ids == 0, ids != field.padding) if has_oov else 0.0)
        own_ids = field.size - 1 - (field.padding >= 0) - (field.encoding == "value")
        statistics.append(
            FieldStatistics(
                *(field.name, counted["type"], field.encoding, counted["distinct"], own_ids),
                *(counted["missing"], (unseen[0], unseen[1]), auc),
            )
        )
        slot += field.slots
    return sorted(statistics, key=lambda field: -field.auc)


def _share(some: Any, of_all: Any) -> float:
    return float(some.sum() / max(1, of_all.sum()))


def warnings(store: Store) -> list[str]:
    """Return what to check before training."""
    manifest = store.manifest
    messages = list(manifest["warnings"])
    messages += [f"column {name} is left out: {why}" for name, why in manifest["left_out"].items()]
    messages += [f"field {name}: {doubt}" for name, doubt in manifest["doubts"].items()]
    parts = manifest["parts"]
    train = parts["train"]
    for name in PARTS[1:]:
        rows = (train["rows"], parts[name]["rows"])
        rates = (train["clicks"] / rows[0], parts[name]["clicks"] / rows[1])
        pooled = (train["clicks"] + parts[name]["clicks"]) / sum(rows)
        deviation = np.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
        if abs(rates[0] - rates[1]) > DEVIATIONS * deviation:
            messages.append(
                f"the positive rate of the {name} rows is {rates[1]:.4f}, of the training rows "
                f"{rates[0]:.4f}: are they of one kind?"
            )
    return messages


def write_page(store: Store, folder: Path) -> str:
    """Write ``index.html`` into a folder; returns the tables as text.

    Args:
        store: the prepared data set.
    """
    statistics = field_statistics(store)
    messages = warnings(store)
    name = store.manifest["settings"]["name"]
    parts, fields = _parts(store), _fields(statistics)
    notes = row_notes(store.manifest["settings"])
    page = render(
        "dataset.html",
        title=f"The data set {name}",
        warnings=messages,
        notes=notes,
        parts=parts,
        fields=fields,
        drawing=_figure(statistics),
    )
    write_folder(folder, {"index.html": page})
    lines = [*notes, *(f"look: {line}" for line in messages)]
    return "\n\n".join(
        [markdown(parts), markdown(fields), *lines, f"written to {folder}/index.html"]
    )


def _parts(store: Store) -> list[dict[str, str]]:
    """Return a row for each split."""
    return [
        {
            "part": part,
            "rows": f"{counted['rows']:,}",
            "positive rate": f"{counted['clicks'] / counted['rows']:.4f}",
        }
        for part, counted in store.manifest["parts"].items()
    ]


def _fields(statistics: list[FieldStatistics]) -> list[dict[str, str]]:
    """Return a row for each field."""
    return [
        {
            "field": field.name,
            "type": field.type,
            "encoding": field.encoding,
            "distinct": f"{field.distinct:,}",
            "ids": f"{field.ids:,}",
            "missing": f"{field.missing:.1%}",
            "unseen valid": f"{field.unseen[0]:.1%}",
            "unseen test": f"{field.unseen[1]:.1%}",
            "AUC alone": f"{field.auc:.4f}",
        }
        for field in statistics
    ]


def _figure(statistics: list[FieldStatistics]) -> Figure:
    """Draw bars of each field's AUC, and of its shares of missing and unseen values."""
    figure, ((tells, lacks),) = canvas(1, 2, (4.5, 0.3 + 0.22 * len(statistics)), sharey=True)
    names, (first, second) = [field.name for field in statistics], PALETTE[:2]
    tells.barh(names, [field.auc - 0.5 for field in statistics], left=0.5, color=first)
    tells.set_xlabel("AUC of the field alone; the axis starts at chance")
    tells.invert_yaxis()
    missing = [field.missing for field in statistics]
    unseen = [field.unseen[1] for field in statistics]
    lacks.barh(names, missing, label="missing", height=0.4, align="edge", color=first)
    lacks.barh(names, unseen, label="unseen in test rows", height=-0.4, align="edge", color=second)
    lacks.set_xlabel("share of values")
    lacks.legend(frameon=False, labelcolor=INK)
    caption = (
        f"{statistics[0].name} has the highest AUC by itself, {statistics[0].auc:.4f}: that of the "
        "smoothed click rate of its values in the training rows, on the validation rows. Unseen "
        "are values without an id of their own."
    )
    return save_figure(figure, "fields", "AUC and missing values of each field", caption)
