"""Labels as text, in any of the spellings that tools write."""

import operator

import polars as pl

from ctrbench.data.schema import LABEL
from ctrbench.data.settings import POSITIVE

COMPARISONS = {
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "<=": operator.le,
    "<": operator.lt,
}

WORDS = {
    **dict.fromkeys(("true", "yes", "t", "y"), "1"),
    **dict.fromkeys(("false", "no", "f", "n"), "0"),
}
EXPECTED = "a label; must be 0 or 1 (or -1 and 1, true and false, yes and no)"


def parse_labels(text: pl.Series) -> pl.Series:
    """Return 1 for a click, 0 or -1 for none as the file has it, null for what is no label.

    Numbers may be written in any way: ``1``, ``1.00``, ``1.``, ``1e0``, ``+1``.
    """
    words = text.str.strip_chars().str.to_lowercase()
    numbers = words.replace(WORDS).cast(pl.Float64, strict=False)
    is_label = numbers.is_in([-1.0, 0.0, 1.0]).fill_null(False)
    return numbers.set(~is_label, None).cast(pl.Int8).alias(LABEL)


def parse_ratings(text: pl.Series, positive: str) -> pl.Series:
    """Return 1 for a rating that is a click, 0 for another, null for what is no finite number.

    Args:
        positive: a comparison and a number, as ``data.positive`` has it.
    """
    match = POSITIVE.fullmatch(positive)
    assert match is not None  # checked with the settings
    ratings = text.str.strip_chars().cast(pl.Float64, strict=False)
    is_click: pl.Series = COMPARISONS[match[1]](ratings, float(match[2]))
    clicks = is_click.cast(pl.Int8)
    return clicks.set(~ratings.is_finite().fill_null(False), None).alias(LABEL)
