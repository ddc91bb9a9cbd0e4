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
    return notes
