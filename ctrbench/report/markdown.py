"""Tables as text: Markdown whose columns are aligned."""

from collections.abc import Iterable
from typing import Any

Rows = list[dict[str, str]]
NONE = "-"


def cells(values: Iterable[Any], form: str) -> list[str]:
    """Numbers as text; NaN, the only value that is not itself, as a dash."""
    return [form.format(value) if value == value else NONE for value in values]


def markdown(rows: Rows) -> str:
    """A table of equal keys in every row, its columns aligned."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    table = [header, *([row.get(key, "") for key in header] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
