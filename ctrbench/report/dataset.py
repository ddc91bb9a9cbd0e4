"""A look at a data set before training, in the terminal and as a self-contained page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ctrbench import metrics
from ctrbench.data.split import PARTS
from ctrbench.data.store.opened import Store
from ctrbench.files import write_atomic
from ctrbench.report.figures.drawing import INK, PALETTE, Drawing, canvas, finish
from ctrbench.report.html import render
from ctrbench.report.markdown import markdown

SMOOTHING = 20.0  # rows at the mean rate that every value is given beside its own
LEAK = 0.95  # AUC of one field above which it is said to know the label
DEVIATIONS = 5.0  # between the rates of two parts
Rates = npt.NDArray[np.float64]


@dataclass
class FieldLook:
    """What one field is and tells.

    Attributes:
        kept: ids that it has, the one of rare and unseen values not counted.
        missing: share of the training rows' values.
        unseen: shares of the validation and test rows' values that have no id of their own.
        auc: on the validation rows, of the smoothed click rate of its values in the training rows.
    """

    name: str
    type: str
    encoding: str
    distinct: int
    kept: int
    missing: float
    unseen: tuple[float, float]
    auc: float


def look(store: Store) -> list[FieldLook]:
    """All fields of a store, those that tell most first."""
    parts = {name: store.part(name) for name in PARTS}
    looks, slot = [], 0
    values = dict(zip(store.schema.value_slots, range(len(store.schema.value_slots)), strict=True))
    for field, counted in zip(store.schema.fields, store.manifest["statistics"], strict=True):
        slots = slice(slot, slot + field.slots)
        ids = {name: np.asarray(part.slots(slots)) for name, part in parts.items()}
        has_oov = field.encoding not in ("quantile", "value")
        unseen = [
            _share(ids[name] == 0, ids[name] != field.padding) if has_oov else 0.0
            for name in ("valid", "test")
        ]
        if slot in values:
            score_N = parts["valid"].values_NX[:, values[slot]].astype(np.float64)
            score_N = score_N * (ids["valid"][:, 0] > 0)
        else:
            rates = _rates(ids["train"], parts["train"].labels_N, field.size, field.padding)
            score_N = rates[ids["valid"]].sum(axis=1) / np.maximum(
                (ids["valid"] != field.padding).sum(axis=1), 1
            )
        auc = metrics.auc(torch.tensor(score_N), torch.tensor(parts["valid"].labels_N))
        own_ids = field.size - 1 - (field.padding >= 0) - (field.encoding == "value")
        looks.append(
            FieldLook(
                *(field.name, counted["type"], field.encoding, counted["distinct"], own_ids),
                *(counted["missing"], (unseen[0], unseen[1])),
                max(auc, 1 - auc) if slot in values else auc,
            )
        )
        slot += field.slots
    return sorted(looks, key=lambda field: -field.auc)


def _share(some: Any, of_all: Any) -> float:
    return float(some.sum() / max(1, of_all.sum()))


def _rates(ids: Any, labels_N: Any, size: int, padding: int) -> Rates:
    """The log odds of every id's smoothed click rate; 0 for the id of unused slots."""
    clicks_N = np.repeat(labels_N.astype(np.float64), ids.shape[1])
    rows = np.bincount(ids.ravel(), minlength=size)
    clicks = np.bincount(ids.ravel(), weights=clicks_N, minlength=size)
    rate = (clicks + SMOOTHING * labels_N.mean()) / (rows + SMOOTHING)
    odds: Rates = np.log(rate / (1 - rate))
    if padding >= 0:
        odds[padding] = 0
    return odds


def warnings(store: Store, looks: list[FieldLook]) -> list[str]:
    """What a person should look at before training."""
    found = [
        f"field {field.name} alone gives an AUC of {field.auc:.4f}: does it know the label?"
        for field in looks
        if field.auc > LEAK
    ]
    manifest = store.manifest
    found += [f"column {name} is left out: {why}" for name, why in manifest["left_out"].items()]
    found += [f"field {name}: {doubt}" for name, doubt in manifest["doubts"].items()]
    parts = manifest["parts"]
    train = parts["train"]
    for name in PARTS[1:]:
        rows = (train["rows"], parts[name]["rows"])
        rates = (train["clicks"] / rows[0], parts[name]["clicks"] / rows[1])
        pooled = (train["clicks"] + parts[name]["clicks"]) / sum(rows)
        deviation = np.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
        if abs(rates[0] - rates[1]) > DEVIATIONS * deviation:
            found.append(
                f"the positive rate of the {name} rows is {rates[1]:.4f}, of the training rows "
                f"{rates[0]:.4f}: are they of one kind?"
            )
    return found


def write_page(store: Store, folder: Path) -> str:
    """Write ``index.html`` into a folder; returns the tables as text.

    Args:
        store: the prepared data set.
    """
    looks = look(store)
    said = warnings(store, looks)
    name = store.manifest["settings"]["name"]
    parts, fields = _parts(store), _fields(looks)
    page = render(
        "dataset.html",
        title=f"The data set {name}",
        warnings=said,
        parts=parts,
        fields=fields,
        drawing=_figure(looks),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "index.html", page)
    lines = [f"look: {line}" for line in said]
    return "\n\n".join(
        [markdown(parts), markdown(fields), *lines, f"written to {folder}/index.html"]
    )


def _parts(store: Store) -> list[dict[str, str]]:
    """A row for each part."""
    return [
        {
            "part": part,
            "rows": f"{counted['rows']:,}",
            "positive rate": f"{counted['clicks'] / counted['rows']:.4f}",
        }
        for part, counted in store.manifest["parts"].items()
    ]


def _fields(looks: list[FieldLook]) -> list[dict[str, str]]:
    """A row for each field."""
    return [
        {
            "field": field.name,
            "type": field.type,
            "encoding": field.encoding,
            "distinct": f"{field.distinct:,}",
            "ids": f"{field.kept:,}",
            "missing": f"{field.missing:.1%}",
            "unseen valid": f"{field.unseen[0]:.1%}",
            "unseen test": f"{field.unseen[1]:.1%}",
            "AUC alone": f"{field.auc:.4f}",
        }
        for field in looks
    ]


def _figure(looks: list[FieldLook]) -> Drawing:
    """Bars of each field's AUC, and of its shares of missing and unseen values."""
    figure, ((tells, lacks),) = canvas(1, 2, (4.5, 0.3 + 0.22 * len(looks)), sharey=True)
    names, (first, second) = [field.name for field in looks], PALETTE[:2]
    tells.barh(names, [field.auc - 0.5 for field in looks], left=0.5, color=first)
    tells.set_xlabel("AUC of the field alone; the axis starts at chance")
    tells.invert_yaxis()
    missing = [field.missing for field in looks]
    unseen = [field.unseen[1] for field in looks]
    lacks.barh(names, missing, label="missing", height=0.4, align="edge", color=first)
    lacks.barh(names, unseen, label="unseen in test rows", height=-0.4, align="edge", color=second)
    lacks.set_xlabel("share of values")
    lacks.legend(frameon=False, labelcolor=INK)
    says = (
        f"{looks[0].name} tells most by itself, an AUC of {looks[0].auc:.4f}: of the smoothed "
        "click rate of its values in the training rows, on the validation rows. Unseen are values "
        "without an id of their own."
    )
    return finish(figure, "fields", "What each field tells and lacks", says)
