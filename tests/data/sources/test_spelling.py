"""One value has one spelling, whichever way it arrives."""

import datetime as dt
import enum
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data.sources.tables import CODES, rows_of, table
from support import Compose

from ctrbench.data.schema import GROUP, USER
from ctrbench.data.sources.spelling import as_codes, spell_object
from ctrbench.errors import UserError

rng = np.random.default_rng(0)
BITS = [1, 0, None, 1]
TWO = {
    "integers": pl.Series(BITS, dtype=pl.Int8),
    "unsigned": pl.Series(BITS, dtype=pl.UInt64),
    "floats": pl.Series(BITS, dtype=pl.Float64),
    "floats with NaN": pl.Series([1.0, 0.0, float("nan"), 1.0]),
    "float32": pl.Series(BITS, dtype=pl.Float32),
    "decimals": pl.Series([Decimal("1.00"), Decimal("0.00"), None, Decimal("1.00")]),
    "booleans": pl.Series([True, False, None, True]),
    "bytes": pl.Series([b"1", b"0", None, b"1"]),
    "bytes, empty": pl.Series([b"1", b"0", b"", b"1"]),
    "categorical": pl.Series(["1", "0", None, "1"], dtype=pl.Categorical),
    "enum": pl.Series(["true", "false", None, "true"], dtype=pl.Enum(["false", "true"])),
    "text": pl.Series(["1", "0", "", "1"]),
    "text as pandas writes booleans": pl.Series(["True", "False", "", "True"]),
    "text as pandas writes gaps": pl.Series(["1.0", "0.0", "", "1.0"]),
    "text of decimals": pl.Series(["1.00", "0.00", "", "1.00"]),
}
CLICKS = pl.Series("clicked", [0, 1, 0, 1])


def write(folder: Path, kind: str, frame: pl.DataFrame) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "csv":
        binary = [name for name, dtype in frame.schema.items() if dtype == pl.Binary]
        frame.with_columns(pl.col(binary).cast(pl.String)).write_csv(path)
    else:
        frame.write_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("form", TWO)
def test_two_values_in_any_form(form: str, kind: str, settings: Compose, tmp_path: Path) -> None:
    if (form, kind) == ("floats with NaN", "csv"):
        pytest.skip("NaN in CSV is text")
    path = write(tmp_path, kind, pl.DataFrame([CLICKS, TWO[form].alias("x")]))
    rows = rows_of(table(settings, path, CODES, "data.group=x"))
    assert rows["x"].to_list() == ["1", "0", None, "1"]
    numbers = rows_of(table(settings, path, "data.types=[x:number]"))
    assert numbers["x"].to_list() == [1.0, 0.0, None, 1.0]


@pytest.mark.parametrize("form", TWO)
def test_elements_are_spelled_as_cells(form: str, settings: Compose, tmp_path: Path) -> None:
    values = TWO[form].filter(pl.Series([True, True, False, True])).alias("x").to_frame()
    lists = values.select(pl.col("x").implode()).select(
        pl.col("x").repeat_by(1).explode(empty_as_null=True, keep_nulls=True)
    )
    frame = pl.concat([lists, lists]).with_columns(CLICKS[:2])
    path = write(tmp_path, "parquet", frame)
    assert rows_of(table(settings, path))["x"].to_list() == [["1", "0", "1"]] * 2


def test_elements_of_text(settings: Compose, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("clicked,x\n0,True|2.0\n1,false\n")
    words = ["data.types=[x:multi]", "data.values_separator='|'"]
    rows = rows_of(table(settings, tmp_path / "rows.csv", *words))
    assert rows["x"].to_list() == [["1", "2"], ["0"]]


MOMENTS = [dt.datetime(2024, 1, 1, 8, 30), dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 1, 8, 30)]


@pytest.mark.parametrize("unit", ["ms", "us", "ns", "T", "pandas", "objects"])
def test_times_as_categories(unit: str, settings: Compose, tmp_path: Path) -> None:
    column = pl.Series("x", MOMENTS)
    if unit in ("ms", "us", "ns"):
        column = column.cast(pl.Datetime(unit))  # type: ignore[arg-type]
    elif unit == "pandas":
        column = pl.Series("x", pd.Series(MOMENTS).astype(str).to_list())
    else:
        separator = "T" if unit == "T" else " "
        column = pl.Series("x", [moment.isoformat(separator) for moment in MOMENTS])
    for kind in ("csv", "parquet"):
        path = write(tmp_path, kind, pl.DataFrame([CLICKS[:3], column]))
        expected = ["2024-01-01 08:30:00", "2024-01-02", "2024-01-01 08:30:00"]
        assert rows_of(table(settings, path, CODES))["x"].to_list() == expected


def test_other_values_stay_apart() -> None:
    """Text that stands for values of its own is not touched."""
    texts = ["003", "3", "4.1", "4.10", "a", "A", "a ", "yes", "1.0.0", "v1.0", "-", "100", "0100"]
    assert as_codes(pl.Series(texts)).to_list() == texts
    assert as_codes(pl.Series(["-3.0", "-0.0", "12.000", None])).to_list() == [
        "-3",
        "0",
        "12",
        None,
    ]


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "1"),
        (np.True_, "1"),
        (3, "3"),
        (np.float32(3), "3"),
        (4.5, "4.5"),
        (Decimal("3.00"), "3"),
        (Decimal("4.50"), "4.5"),
        (Decimal("1E+3"), "1000"),
        (b"caf\xc3\xa9", "café"),
        (bytearray(b"a"), "a"),
        (np.bytes_(b"a"), "a"),
        (Colour.RED, "red"),
        (dt.date(2024, 1, 1), "2024-01-01"),
        (pd.Timestamp("2024-01-01"), "2024-01-01"),
        (dt.datetime(2024, 1, 1, 8, 30), "2024-01-01 08:30:00"),
        (pd.Timestamp("2024-01-01 08:30", tz="CET"), "2024-01-01 08:30:00"),
        (None, None),
        (float("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        ([1, None, b"x"], ["1", None, "x"]),
        (np.array([1.0, 2.0]), ["1", "2"]),
        (("b", True), ["b", "1"]),
        ({"b", "a"}, ["a", "b"]),
    ],
)
def test_python_objects(value: Any, text: Any) -> None:
    spelled = spell_object(value)
    assert as_codes(pl.Series([spelled], dtype=None if spelled else pl.String)).to_list() == [text]


def test_bytes_that_are_no_text(settings: Compose, tmp_path: Path) -> None:
    """Left out where they are found, named by their row where they are not expected."""
    names = pl.Series("x", [b"a", b"b", b"a", b"b"])
    path = tmp_path / "rows.parquet"
    pl.DataFrame([CLICKS, names]).write_parquet(path)
    source = table(settings, path)
    assert rows_of(source)["x"].to_list() == ["a", "b", "a", "b"]
    pl.DataFrame([CLICKS, pl.Series("x", [b"a", b"b", b"\xff", b"b"])]).write_parquet(path)
    with pytest.raises(UserError, match=r"rows.parquet, row 3, column x: bytes .* not UTF-8"):
        rows_of(source)
    pl.DataFrame([CLICKS, names, pl.Series("y", [b"\xff"] * 4)]).write_parquet(path)
    left_out = table(settings, path)
    assert list(left_out.left_out) == ["y"] and rows_of(left_out).columns == ["__label__", "x"]


@pytest.mark.parametrize("column", ["x", "u", "t"])
def test_a_second_file_of_values_that_are_not_read(
    column: str, settings: Compose, tmp_path: Path
) -> None:
    """Refused, not taken as missing."""
    frame = pl.DataFrame({"clicked": [0, 1] * 50, "x": [1, 2] * 50, "u": [3, 4] * 50})
    frame = frame.with_columns(t=pl.int_range(100))
    path = write(tmp_path, "parquet", frame)
    source = table(settings, path, "data.history={user:u,time:t,of:[x]}")
    assert len(rows_of(source)) == 100
    frame.with_columns(pl.struct(column).alias(column)).write_parquet(path)
    with pytest.raises(UserError, match=f"rows.parquet, column {column}: values of type Struct"):
        next(source.slices_of(path))
    frame.with_columns(pl.concat_list(column, column).alias(column)).write_parquet(path)
    with pytest.raises(UserError, match=f"rows.parquet, row 1, column {column}: .*lists"):
        next(source.slices_of(path)).read()


def test_users_and_groups_are_spelled_as_fields(settings: Compose, tmp_path: Path) -> None:
    frame = pl.DataFrame([CLICKS, TWO["decimals"].alias("u"), TWO["bytes"].alias("g")])
    frame = frame.with_columns(t=pl.int_range(4), x=pl.Series(["a", "b", "a", "b"]))
    path = write(tmp_path, "parquet", frame)
    history = "data.history={user:u,time:t,of:[x]}"
    rows = rows_of(table(settings, path, CODES.replace("*", "*"), "data.group=g", history))
    assert rows[USER].to_list() == ["1", "0", None, "1"]
    if GROUP in rows.columns:
        assert rows[GROUP].to_list() == ["1", "0", None, "1"]


@pytest.mark.parametrize("values", [rng.integers(5, size=300), rng.integers(10**6, size=300)])
@pytest.mark.parametrize("kind", [pl.Decimal(10, 0), pl.Decimal(12, 2), pl.Float64, pl.Binary])
def test_whole_numbers_are_codes_or_amounts_whatever_their_type(
    values: Any, kind: Any, settings: Compose, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"clicked": [0, 1] * 150, "x": values})
    integers = table(settings, write(tmp_path, "parquet", frame)).types
    cast = pl.col("x").cast(pl.String).cast(kind) if kind == pl.Binary else pl.col("x").cast(kind)
    others = table(settings, write(tmp_path, "parquet", frame.with_columns(cast))).types
    assert others == integers


def test_fractions_of_decimals_are_those_of_floats(settings: Compose, tmp_path: Path) -> None:
    frame = pl.DataFrame([CLICKS, pl.Series("x", [4.5, 3.0, -0.25, None])])
    for kind in (pl.Decimal(10, 4), pl.Float64):
        path = write(tmp_path, "parquet", frame.with_columns(pl.col("x").cast(kind)))
        assert rows_of(table(settings, path, CODES))["x"].to_list() == ["4.5", "3", "-0.25", None]
