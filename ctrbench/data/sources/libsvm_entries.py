"""Lines of libsvm, libfm and libffm as labels and entries; comments and ``qid:`` are left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ctrbench.data.sources.labels import EXPECTED, parse_labels
from ctrbench.data.sources.text import Block, decode
from ctrbench.errors import UserError

TOKEN = r"^(?:(\d+):)?(\d+):([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$"
QUERY = re.compile(r"(?<!\S)qid:\d+(?!\S)")
ROW = re.compile(rb"^[ \t]*[^#\s]", re.MULTILINE)


@dataclass(frozen=True)
class Lines:
    """The rows of a block.

    Attributes:
        texts: without comments and ``qid:``.
        numbers: of their lines in the file.
    """

    path: Path
    texts: list[str]
    numbers: Sequence[int]

    def where(self, row: int) -> str:
        """Return the name of a row for a message."""
        return f"{self.path}, line {self.numbers[row]}"


def has_rows(block: Block) -> bool:
    """Return whether not all lines of a block are comments."""
    return ROW.search(block.data) is not None


def parse_lines(path: Path, block: Block) -> Lines:
    """Return the rows of a block."""
    text = decode(path, block).replace("\t", " ")
    texts, numbers = text.split("\n")[:-1], range(block.line, block.line + text.count("\n"))
    if "qid:" in text:
        texts = [QUERY.sub("", line) for line in texts]
    if "#" not in text:
        return Lines(path, texts, numbers)
    cut = [(line.partition("#"), number) for line, number in zip(texts, numbers, strict=True)]
    rows = [(line, number) for (line, mark, _), number in cut if line.strip() or not mark]
    return Lines(path, [line for line, _ in rows], [number for _, number in rows])


def is_named(lines: Lines) -> bool | None:
    """Return whether entries name their fields, by the first one; None where there is none."""
    for text in lines.texts:
        if first := re.search(r"\S*:\S*", text):
            return first[0].count(":") == 2
    return None


def parse_entries(
    lines: Lines, named: bool | None, *, labelled: bool = True
) -> tuple[pl.Series | None, pl.DataFrame]:
    """Return the labels, where the rows have any, and a frame of row, place, field (null where
    entries name none), index and value.

    Args:
        labelled: every row must have a label.
    """
    labels, tokens = _tokens(lines, labelled=labelled)
    parts = pl.col("token").str.extract_groups(TOKEN)
    entries = tokens.with_columns(parts.alias("it")).unnest("it")
    values = entries["3"].cast(pl.Float64, strict=False)
    wrong = entries["2"].is_null() | ~values.is_finite().fill_null(False)
    _refuse(
        lines,
        entries.filter(wrong),
        "is not INDEX:VALUE or FIELD:INDEX:VALUE, of whole numbers from 0 and a finite number",
    )
    other = entries["1"].is_null() if named else entries["1"].is_not_null()
    _refuse(
        lines,
        entries.filter(other),
        f"{'names no' if named else 'names a'} field, unlike the entries before it; write all "
        "entries of a file in one form",
    )
    return labels, entries.select(
        "row",
        "place",
        pl.col("1").alias("field"),
        pl.col("2").str.replace(r"^0+(\d)", "$1").alias("index"),
        pl.col("3").cast(pl.Float64).alias("value"),
    )


def _refuse(lines: Lines, bad: pl.DataFrame, what: str) -> None:
    """Raise for the first of some bad entries."""
    if len(bad):
        row, token = bad["row"][0], bad["token"][0][:40]
        raise UserError(f"{lines.where(row)}: {token!r} {what}")


def _tokens(lines: Lines, *, labelled: bool) -> tuple[pl.Series | None, pl.DataFrame]:
    """Return the labels, where the rows have any, and a frame of row, place in the row, token."""
    tokens = (
        pl.DataFrame({"token": lines.texts})
        .with_row_index("row")
        .with_columns(pl.col("token").str.split(" "))
        .explode("token", empty_as_null=True, keep_nulls=True)
        .filter(pl.col("token") != "")
        .with_columns(place=pl.int_range(pl.len()).over("row"))
    )
    if ":" in lines.texts[0].strip().partition(" ")[0]:
        return None, tokens
    labels = _labels(lines, tokens.filter(pl.col("place") == 0), labelled=labelled)
    return labels, tokens.filter(pl.col("place") > 0).with_columns(pl.col("place") - 1)


def _labels(lines: Lines, first: pl.DataFrame, *, labelled: bool) -> pl.Series:
    """Return the labels, null where there is none.

    Args:
        labelled: every row must have one.
    """
    if len(first) < len(lines.texts):
        empty = next(i for i, text in enumerate(lines.texts) if not text.strip())
        raise UserError(f"{lines.where(empty)}: empty; remove the line")
    labels = parse_labels(first["token"])
    is_entry = first["token"].str.contains(":", literal=True)
    bad = labels.is_null() if labelled else is_entry
    if bad.any():
        row = int(bad.arg_max() or 0)
        token = first["token"][row][:40]
        raise UserError(f"{lines.where(row)}: {token!r} is not {EXPECTED}")
    return labels
