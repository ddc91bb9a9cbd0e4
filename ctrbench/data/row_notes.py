"""What the settings of a data set say of its labels, in sentences for `data` and the report."""

from collections.abc import Mapping
from typing import Any


def row_notes(data: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each option that changes what a row counts as.

    Args:
        data: the settings of a data set by their names; some may be missing.
    """
    notes = []
    if isinstance(positive := data.get("positive"), str):
        notes.append(f"a click is a row with {data.get('label')} {positive}")
    if isinstance(weight := data.get("weight"), str):
        notes.append(f"rows are weighted by {weight}, in the loss and in the metrics")
    rate = data.get("negative_rate")
    if isinstance(rate, int | float) and rate < 1:
        notes.append(
            f"of the rows without a click {rate:g} are kept: predictions are corrected for it, the "
            "metrics are those of the rows that are here"
        )
    return notes
