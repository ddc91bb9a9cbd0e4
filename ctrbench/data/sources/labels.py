"""Labels as text, in any of the spellings that tools write."""

import polars as pl

from ctrbench.data.schema import LABEL

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
