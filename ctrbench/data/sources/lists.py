"""Text cells that hold several values: ``a|b``, ``a, b``, ``["a", "b"]`` and ``['a' 'b']``."""

import json

import polars as pl

from ctrbench.data.sources.amounts import is_missing

BRACKETED = r"^\[.*\]$"
ITEMS = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'" + r"|[^,\[\]\s\"'][^,\[\]\"']*"
SEPARATORS = ("|", ";", ",")
SHARE = 0.2  # of the distinct cells that hold a separator, where a column looks like lists
FEWEST = 3  # distinct cells below which nothing is concluded


def split_cells(text: pl.Series, separator: str) -> pl.Series:
    """Return text cells as lists of values, trimmed and without empty ones.

    Cells in brackets are lists as JSON, Python or NumPy write them, whatever the separator.
    """
    stripped = text.str.strip_chars()
    plain = separator.strip() or " "
    lists = stripped.str.split(plain)
    is_bracketed = stripped.str.contains(BRACKETED).fill_null(False)
    if is_bracketed.any():
        items = stripped.str.strip_chars("[]").str.extract_all(ITEMS)
        escaped = pl.element().str.contains("\\", literal=True)
        unescaped = pl.element().map_elements(_unescape, return_dtype=pl.String)
        marks = pl.element().str.replace(r"""^["'](.*)["']$""", "$1")
        lists = items.list.eval(pl.when(escaped).then(unescaped).otherwise(marks)).zip_with(
            is_bracketed, lists
        )
    return clean_lists(lists)


def as_vectors(column: pl.Series, separator: str) -> pl.Series:
    """Return cells as lists of numbers, null where one is missing and where a number is none.

    Args:
        separator: of the numbers in a cell of text.
    """
    if column.dtype == pl.String:
        present = column.set(is_missing(column.str.strip_chars()), None)
        column = split_cells(present, separator)
    lists = column.cast(pl.List(pl.Float32), strict=False)
    return lists.set(lists.list.len() == 0, None)


def clean_lists(lists: pl.Series) -> pl.Series:
    """Return lists of text whose values are trimmed, without empty and missing ones."""
    value = pl.element().str.strip_chars()
    return lists.list.eval(value.filter((value != "").fill_null(False)))


def _unescape(item: str) -> str:
    """Return an item with backslashes as JSON reads it; Python's differs in the marks alone."""
    try:
        return str(json.loads(f'"{item[1:-1]}"' if item[:1] in "\"'" else item))
    except ValueError:
        return item.strip("\"'").replace("\\'", "'")


def list_separator(present: pl.Series) -> str | None:
    """Return what separates values in the cells of a column that looks like lists.

    Values of lists come again in other cells: there are fewer values than cells. Cells in brackets
    need no separator, for which the text is empty; None is returned where nothing looks like lists.
    """
    cells = present.unique()
    if len(cells) < FEWEST:
        return None
    if cells.str.contains(BRACKETED).all():
        values = split_cells(cells, ",").explode(empty_as_null=True, keep_nulls=True).drop_nulls()
        is_vector = len(values) and not values.cast(pl.Float64, strict=False).has_nulls()
        return None if is_vector and values.str.contains(".", literal=True).any() else ""
    for separator in SEPARATORS:
        share = cells.str.contains(separator, literal=True).mean()
        if isinstance(share, float) and share >= SHARE:
            values = (
                split_cells(cells, separator)
                .explode(empty_as_null=True, keep_nulls=True)
                .drop_nulls()
            )
            if separator == "|" or values.n_unique() <= len(cells):
                return separator
    return None
