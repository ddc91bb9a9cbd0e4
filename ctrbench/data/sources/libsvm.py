"""Rows of ``label index:value ...`` (libfm, libsvm) or ``label field:index:value ...`` (libffm).

The entries of a field are one of

    category    at most one a row, of value 1: its index is a code
    number      at most one a row, always of the same index: its value is an amount
    multi       several a row, all of one value: their indices are codes

Without fields in the file, the i-th entry of a row is that of field i if all rows are of the same
length; otherwise all entries are those of one field, ``features``.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path

import polars as pl

from ctrbench.data.schema import CATEGORICAL, LABEL, MULTI, NUMERIC, Column, Slice
from ctrbench.data.settings import LibsvmSettings
from ctrbench.data.sources.base import CLICK, NO_CLICK, FileSource
from ctrbench.data.sources.registry import reads
from ctrbench.data.sources.text import Block, blocks
from ctrbench.errors import UserError
from ctrbench.files import file_signature
from ctrbench.settings import nearest

KINDS = {"category": CATEGORICAL, "number": NUMERIC, "multi": MULTI}
ALL = "features"
DECLARE = "declare what every field is with data.fields=[NAME:KIND, ...]"
TOKEN = r"^(?:(\d+):)?(\d+):([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$"


@reads(LibsvmSettings)
class Libsvm(FileSource):
    """A source of sparse rows."""

    settings: LibsvmSettings

    @cached_property
    def fields(self) -> dict[str, str]:
        """The kind of every field, as declared, or found out from the first rows."""
        fields = {}
        for item in self.settings.fields:
            name, _, kind = item.partition(":")
            if kind not in KINDS:
                raise UserError(f"data.fields={item}: not NAME:KIND; {nearest(kind, KINDS)}")
            fields[name] = kind
        if fields:
            return fields
        path = next(iter(self.files.values()))
        return _infer(path, file_signature(path))

    def check(self) -> None:
        if not self.columns:
            path = next(iter(self.files.values()))
            raise UserError(f"{path}: its first rows have labels alone; name a file with entries")

    @cached_property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]
        """One for each field."""
        return tuple(Column(name, KINDS[kind]) for name, kind in self.fields.items())

    def resolved(self) -> LibsvmSettings:
        """The settings with all fields declared."""
        fields = [f"{name}:{kind}" for name, kind in self.fields.items()]
        return replace(self.settings, fields=fields)

    def slices_of(self, path: Path, part: str = "all") -> Iterator[Slice]:
        for block in blocks(path):
            yield Slice(part, block.share, partial(_frame, path, block, self.fields))


def _frame(path: Path, block: Block, fields: dict[str, str]) -> pl.DataFrame:
    labels, entries = _entries(path, block, by_position=ALL not in fields)
    rows = pl.DataFrame({"row": pl.arange(block.data.count(b"\n"), dtype=pl.UInt32, eager=True)})
    columns = [] if labels is None else [labels]
    groups = {name: own for (name,), own in entries.partition_by("field", as_dict=True).items()}
    for name in groups.keys() - fields.keys():
        at = block.line + int(groups[name]["row"][0])
        raise UserError(f"{path}, line {at}: field {name} is not in the first rows; {DECLARE}")
    for name, kind in fields.items():
        own = groups.get(name, entries.clear())
        if (wrong := _against(own, kind)).any():
            at = block.line + int(own["row"][int(wrong.arg_max() or 0)])
            raise UserError(f"{path}, line {at}: field {name} is not a {kind} here; {DECLARE}")
        value = pl.col("value") if kind == "number" else pl.col("index")
        made = own.group_by("row", maintain_order=True).agg(value.alias("it"))
        joined = rows.join(made, on="row", how="left", maintain_order="left")["it"]
        columns.append((joined if kind == "multi" else joined.list.first()).alias(name))
    return pl.DataFrame(columns)


def _entries(
    path: Path, block: Block, *, by_position: bool
) -> tuple[pl.Series | None, pl.DataFrame]:
    """The labels, where the rows have any, and a frame of row, field, index and value."""
    try:
        lines = block.data.decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        at = block.line + block.data[: error.start].count(b"\n")
        raise UserError(f"{path}, line {at}: not UTF-8 text; convert the file") from None
    tokens = (
        pl.DataFrame({"token": lines})
        .with_row_index("row")
        .with_columns(pl.col("token").str.split(" "))
        .explode("token", empty_as_null=True, keep_nulls=True)
        .filter(pl.col("token") != "")
        .with_columns(place=pl.int_range(pl.len()).over("row"))
    )
    labels = None
    if ":" not in lines[0].strip().partition(" ")[0]:
        labels = _labels(path, block, lines, tokens.filter(pl.col("place") == 0))
        tokens = tokens.filter(pl.col("place") > 0).with_columns(pl.col("place") - 1)
    parts = pl.col("token").str.extract_groups(TOKEN)
    entries = tokens.with_columns(parts.alias("it")).unnest("it")
    values = entries["3"].cast(pl.Float64, strict=False)
    wrong = entries["2"].is_null() | ~values.is_finite().fill_null(False)
    if wrong.any():
        first = int(wrong.arg_max() or 0)
        raise UserError(
            f"{path}, line {block.line + entries['row'][first]}: {entries['token'][first][:40]!r} "
            "is not INDEX:VALUE or FIELD:INDEX:VALUE, of whole numbers from 0 and a finite number"
        )
    place = pl.col("place").cast(pl.String) if by_position else pl.lit(ALL)
    return labels, entries.select(
        "row",
        pl.coalesce("1", place).alias("field"),
        pl.col("2").alias("index"),
        pl.col("3").cast(pl.Float64).alias("value"),
    )


def _labels(path: Path, block: Block, lines: list[str], first: pl.DataFrame) -> pl.Series:
    clicked = first["token"].is_in(CLICK)
    known = clicked | first["token"].is_in(NO_CLICK)
    if len(first) < len(lines):
        empty = next(i for i, line in enumerate(lines) if not line.strip())
        raise UserError(f"{path}, line {block.line + empty}: empty; remove the line")
    if not known.all():
        row = int((~known).arg_max() or 0)
        raise UserError(
            f"{path}, line {block.line + row}: {first['token'][row][:40]!r} is not a label; "
            "must be 0 or 1 (or -1 and 1)"
        )
    return clicked.cast(pl.UInt8).alias(LABEL)


def _against(own: pl.DataFrame, kind: str) -> pl.Series:
    """The entries of a field that are not of a kind."""
    again = pl.int_range(pl.len()).over("row") > 0
    wrong = {
        "category": again | (pl.col("value") != 1),
        "number": again | (pl.col("index") != pl.col("index").first()),
        "multi": pl.col("value") != pl.col("value").first().over("row"),
    }
    return own.select(wrong[kind].alias("wrong"))["wrong"]


@cache
def _infer(path: Path, version: tuple[int, ...]) -> dict[str, str]:
    """The fields of a version of a file by its first rows."""
    block = next(blocks(path))
    _, entries = _entries(path, block, by_position=True)
    lengths = entries.group_by("row").len()["len"]
    has_fields = block.data.split(b"\n", 1)[0].split()[-1].count(b":") == 2
    if not has_fields and lengths.n_unique() > 1:
        _, entries = _entries(path, block, by_position=False)
    fields = {}
    for (name,), own in sorted(entries.partition_by("field", as_dict=True).items(), key=_number):
        kinds = [kind for kind in KINDS if not _against(own, kind).any()]
        if not kinds:
            raise UserError(
                f"{path}: the values of field {name} are neither one amount a row nor codes of "
                "equal value; only such fields are read"
            )
        fields[str(name)] = kinds[0]
    return fields


def _number(item: tuple[tuple[object, ...], pl.DataFrame]) -> tuple[int, str]:
    """Fields in the order of their numbers."""
    name = str(item[0][0])
    return (int(name) if name.isdecimal() else 0, name)
