"""Numbers with few other values, markers of missing values, and amounts as people write them."""

import re
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data.sources.tables import prepared, rows_of, table
from support import Compose

from ctrbench.data.sources.amounts import to_numbers
from ctrbench.data.sources.table import Table
from ctrbench.data.store.found import described
from ctrbench.errors import UserError

rng = np.random.default_rng(0)
PRICES = rng.lognormal(3, 1, 600).round(2)
NOT_AVAILABLE = [
    *("", "NA", "n/a", "NaN", "NAN", "nan", "-nan", "null", "NULL", "None", "none", "<NA>", "#N/A"),
    *("NaT", "\\N"),
]


def declarations(note: str) -> list[str]:
    """The declarations that a note prints, as a shell reads them."""
    words = re.split(r"[?:] (?=\S*data\.)| or (?=\S*data\.)", note)[1:]
    return [shlex.split(word)[0] for word in words]


def column(settings: Compose, folder: Path, values: list[object], *words: str) -> Table:
    """A table of a column x, and of another one that is of use."""
    path = folder / "column.csv"
    codes = {
        "clicked": [i % 2 for i in range(len(values))],
        "y": [i % 3 for i in range(len(values))],
    }
    pl.DataFrame(codes | {"x": [str(v) for v in values]}).write_csv(path)
    return table(settings, path, *words)


@pytest.mark.parametrize("marker", NOT_AVAILABLE)
def test_usual_markers_are_missing(marker: str, settings: Compose, tmp_path: Path) -> None:
    """In a column of numbers and in one of dates, whatever their case."""
    for values in (list(PRICES), [f"2024-01-{i % 28 + 1:02}" for i in range(600)]):
        source = column(settings, tmp_path, [*values[:7], marker, *values[8:]])
        assert source.types["x"].name in ("number", "day") and not source.doubts
        assert [i for i, x in enumerate(rows_of(source).to_series(2)) if x is None] == [7]


def test_zero_dates_are_missing(settings: Compose, tmp_path: Path) -> None:
    values = [f"2024-01-{i % 28 + 1:02} 10:00:00" for i in range(200)]
    values[3] = "0000-00-00 00:00:00"
    source = column(settings, tmp_path, list(values))
    assert source.types["x"].name == "date"
    assert rows_of(source)["x.hour"].to_list() == [None if i == 3 else 10 for i in range(200)]


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({5: "-"}, "numbers but for '-' (1 row)"),
        ({5: "-", 6: "?", 9: "-"}, "numbers but for '-' (2 rows), '?' (1 row)"),
        ({i: "it's" for i in range(0, 400, 2)}, "(200 rows)"),
    ],
)
def test_numbers_but_for_few(
    others: dict[int, str], named: str, settings: Compose, tmp_path: Path
) -> None:
    """Named, with the declaration by which they are missing, also where the column is dropped."""
    values = [others.get(i, str(price)) for i, price in enumerate(PRICES)]
    source = column(settings, tmp_path, list(values))
    note = source.doubts["x"]
    assert source.types["x"].name == "category" and named in note
    (declared,) = declarations(note)
    source = column(settings, tmp_path, list(values), declared)
    assert source.types["x"].name == "number" and not source.doubts
    expected = [None if i in others else price for i, price in enumerate(PRICES)]
    assert rows_of(source)["x"].to_list() == expected


def test_the_note_of_a_column_that_is_dropped(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    values = ["-", *map(str, PRICES[1:])]
    frame = {"clicked": [i % 2 for i in range(600)], "x": values, "y": [i % 3 for i in range(600)]}
    pl.DataFrame(frame, strict=False).write_csv(path)
    manifest = prepared(settings, f"data.path={path}", "data.min_count=4").manifest
    assert "numbers but for '-'" in manifest["left_out"]["x"]
    assert "data.missing" in described(manifest)


def test_dates_but_for_few(settings: Compose, tmp_path: Path) -> None:
    values = [f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(200)]
    values[3] = "soon"
    (declared,) = declarations(column(settings, tmp_path, list(values)).doubts["x"])
    source = column(settings, tmp_path, list(values), declared)
    assert source.types["x"].name == "day" and rows_of(source)["x.weekday"][3] is None


@pytest.mark.parametrize("values", [["1", "2", "A"] * 50, [f"{i:x}" for i in range(4000, 4200)]])
def test_codes_are_no_numbers_with_mistakes(
    values: list[str], settings: Compose, tmp_path: Path
) -> None:
    source = column(settings, tmp_path, list(values))
    assert "but for" not in str(source.doubts) + str(source.left_out)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_declared_markers_in_every_column(kind: str, settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    frame = pl.DataFrame(
        {"clicked": [0, 1] * 60, "n": [-1.0, *range(119)], "c": ["-", " ?", "a"] * 40},
        strict=False,
    )
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    words = ["data.missing=[-1,'-','?']", "data.types=[n:number,c:category]"]
    rows = rows_of(table(settings, path, *words))
    assert rows["n"].to_list() == [None, *map(float, range(119))]
    assert rows["c"].to_list() == [None, None, "a"] * 40


AMOUNTS = {
    "point": {
        "$1,234.50": 1234.5, "1,234,567": 1234567, "12.5%": 0.125, "€ 12": 12, "-$3.10": -3.1,
        "($4.00)": -4, "USD 5": 5, "7 EUR": 7, "1'234.5": 1234.5, "12,34,567": 1234567, "3": 3,
    },
    "comma": {
        "1.234,50 €": 1234.5, "12,5 %": 0.125, "1 234,5": 1234.5, "3,1": 3.1, "-1.234": -1234,
        "kr 12,00": 12, "7 zł": 7, "\u22125,5": -5.5,
    },
}  # fmt: skip


@pytest.mark.parametrize("form", AMOUNTS)
def test_amounts_as_numbers(form: str) -> None:
    texts = pl.Series(list(AMOUNTS[form]))
    assert to_numbers(texts, form).to_list() == pytest.approx(list(AMOUNTS[form].values()))
    bad = pl.Series(["1,2,3", "a", "$", "1.2.3", "12 apples", "192.168.1.1", "%"])
    assert to_numbers(bad, form).null_count() == len(bad)


WRITTEN = {
    "dollars": lambda x: f"${x:,.2f}",
    "percent": lambda x: f"{x:.2f}%",
    "decimal comma": lambda x: f"{x:.2f}".replace(".", ","),
    "German euros": lambda x: f"{x:,.2f} €".translate(str.maketrans(",.", ".,")),
    "thousands": lambda x: f"{x * 100:,.0f}",
}


@pytest.mark.parametrize("distinct", [30, 600])
@pytest.mark.parametrize("name", WRITTEN)
def test_amounts_are_named_and_can_be_declared(
    name: str, distinct: int, settings: Compose, tmp_path: Path
) -> None:
    """Also where all values differ; each declaration works as printed, the first as meant."""
    prices = np.resize(rng.choice(np.arange(1000, 9999), distinct, replace=False) / 100, 600) + 20
    values = [WRITTEN[name](price) for price in prices]
    source = column(settings, tmp_path, list(values))
    note = (source.doubts | source.left_out)["x"]
    declared = declarations(note)
    assert "amounts as" in note and len(declared) == 1 + (name == "thousands")
    for i, word in enumerate(declared):
        source = column(settings, tmp_path, list(values), word)
        assert source.types["x"].name == "number"
        numbers = rows_of(source)["x"].to_numpy()
        scale = {"percent": 0.01, "thousands": 100}.get(name, 1)
        if i == 0:
            np.testing.assert_allclose(numbers, prices * scale)


def test_floats_have_no_form(settings: Compose, tmp_path: Path) -> None:
    """Trained on text with decimal commas, asked about a Parquet file of numbers."""
    values = [f"{x:.3f}".replace(".", ",") for x in PRICES]
    source = column(settings, tmp_path, list(values), "data.types=[x:number:comma]")
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"x": [1.234, 12.5], "y": [1, 2]}).write_parquet(path)
    (piece,) = source.slices_of(path, labelled=False)
    assert piece.read()["x"].to_list() == [1.234, 12.5]


def test_bad_declarations_of_numbers(settings: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.types=x:number:semicolon: .*point or comma"):
        column(settings, tmp_path, [1, 2, 3], "data.types=[x:number:semicolon]")
    with pytest.raises(UserError, match=r"line 3, column x: '-' is not .*data.missing="):
        rows_of(column(settings, tmp_path, [1, "-", 3], "data.types=[x:number]"))
