"""Tables as text: aligned Markdown and CSV, both escaped."""

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

Rows = list[dict[str, str]]
NONE = "-"
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # what begins raw HTML or an address in Markdown
FORMULA = re.compile(r"\s*[=+@\-\uff1d\uff0b\uff20\uff0d].")  # what spreadsheets calculate
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def cells(values: Iterable[Any], form: str) -> list[str]:
    """Format numbers as text; NaN, the only value not equal to itself, as a dash."""
    return [form.format(value) if value == value else NONE for value in values]


def markdown(rows: Rows) -> str:
    """Return rows as a Markdown table with aligned columns."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    table = [header, *([row.get(key, "") for key in header] for row in rows)]
    table = [[cell_text(cell) for cell in line] for line in table]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def cell_text(cell: str) -> str:
    """Return a value as a cell of Markdown: in one line, and neither a border, a tag nor a link."""
    return without_tags(" ".join(cell.split("\n")).replace("|", "\\|").replace("](", "]\\("))


def without_tags(text: str) -> str:
    """Return a text in whose Markdown no HTML begins."""
    return TAG.sub("&lt;", text)


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV in which spreadsheets see no formula: a text that would be one begins
    with an apostrophe."""
    table = table.rename(columns=_as_value)
    return str(table.map(_as_value).to_csv(index=False))


def _as_value(cell: Any) -> Any:
    is_formula = isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell
