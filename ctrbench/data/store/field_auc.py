"""The AUC of each field alone: how well the click rate of its values ranks validation rows."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ctrbench import metrics
from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.opened import Part

SMOOTHING = 20.0  # rows at the mean rate that every value is given beside its own
LEAK = 0.95  # AUC of one field above which it is said to know the label
LEAK_ROWS = 2**18  # rows of each part by which leaks are looked for
FEW = 10  # clicks, or rows without one, below which nothing is concluded
Floats = npt.NDArray[np.float64]


def field_aucs(schema: Schema, parts: Mapping[str, Part], rows: int | None = None) -> list[float]:
    """Return the AUC of each field of a schema, on validation rows; of a vector, that of its best
    number.

    Args:
        rows: use as many rows of each part, from its first on; None: all.
    """
    train, valid = parts["train"], parts["valid"]
    labels_N, valid_labels = train.labels_N[:rows], np.asarray(valid.labels_N[:rows])
    aucs, slot, value_slots = list[float](), 0, schema.value_slots
    for field in schema.fields:
        slots = slice(slot, slot + field.slots)
        ids_NS = np.asarray(valid.slots(slots)[:rows])
        if slot in value_slots:
            first = value_slots.index(slot)
            values_NS = valid.values_NX[:rows, first : first + field.slots].astype(np.float64)
            own = [metrics.auc(values_N, valid_labels) for values_N in (values_NS * (ids_NS > 0)).T]
            aucs.append(max(max(auc, 1 - auc) for auc in own))
        else:
            log_odds = _log_odds(np.asarray(train.slots(slots)[:rows]), labels_N, field)
            lengths = np.maximum((ids_NS != field.padding).sum(axis=1), 1)
            scores_N = log_odds[ids_NS].sum(axis=1) / lengths
            aucs.append(metrics.auc(scores_N, valid_labels))
        slot += field.slots
    return aucs


def _log_odds(
    ids_NS: npt.NDArray[np.int32], labels_N: npt.NDArray[np.uint8], field: Field
) -> Floats:
    """Return the log odds of every id's smoothed click rate; 0 for the id of unused slots."""
    clicks_N = np.repeat(labels_N.astype(np.float64), ids_NS.shape[1])
    rows = np.bincount(ids_NS.ravel(), minlength=field.size)
    clicks = np.bincount(ids_NS.ravel(), weights=clicks_N, minlength=field.size)
    rate = (clicks + SMOOTHING * labels_N.mean()) / (rows + SMOOTHING)
    odds: Floats = np.log(rate / (1 - rate))
    if field.padding >= 0:
        odds[field.padding] = 0
    return odds


def find_leaks(schema: Schema, parts: Mapping[str, Part]) -> list[str]:
    """Return a warning for each field that alone tells the label."""
    clicks = {name: int(parts[name].labels_N[:LEAK_ROWS].sum()) for name in ("train", "valid")}
    rows = {name: len(parts[name].labels_N[:LEAK_ROWS]) for name in clicks}
    if any(min(clicks[name], rows[name] - clicks[name]) < FEW for name in clicks):
        return []
    return [
        f"field {field.name} alone gives an AUC of {auc:.4f}: does it know the label?"
        for field, auc in zip(schema.fields, field_aucs(schema, parts, LEAK_ROWS), strict=True)
        if auc > LEAK
    ]
