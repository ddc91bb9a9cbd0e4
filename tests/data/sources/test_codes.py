"""Codes of one spelling in all files, and what the first rows of a longer file suggest."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from data.sources.tables import column, prepared, rows_of, table
from support import Compose

from ctrbench.data.schema import GROUP, USER
from ctrbench.data.sources import cells

rng = np.random.default_rng(1)
BRANDS = pl.Series("brand_id", rng.integers(1, 9, 300))
CLICKS = pl.Series("clicked", rng.integers(2, size=300))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_gap_in_one_file_makes_no_other_codes(
    kind: str, settings: Compose, tmp_path: Path
) -> None:
    """As pandas writes a column of whole numbers with a gap: 12.0."""
    words = []
    for part, start in {"train": 0, "valid": 100, "test": 200}.items():
        brands = BRANDS[start : start + 100]
        if part == "test":
            brands = brands.cast(pl.Float64).set(pl.Series([True, *[False] * 99]), None)
        frame = pl.DataFrame([CLICKS[start : start + 100], brands])
        path = tmp_path / f"{part}.{kind}"
        frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
        words.append(f"data.{part}={path}")
    store = prepared(settings, "model=lr", *words)
    known = store.encoder().encoders[0].ids(BRANDS[201:].cast(pl.String))
    assert (store.part("test").ids_NS[1:, 0] == known).all() and known.min() > 0


def test_whole_numbers_with_gaps_are_codes(settings: Compose, tmp_path: Path) -> None:
    values = [f"{brand}.0" for brand in BRANDS]
    source = column(settings, tmp_path, [*values, ""])
    assert str(source.types["x"]) == "category"
    assert rows_of(source)["x"][:300].to_list() == BRANDS.cast(pl.String).to_list()
    amounts = [*(f"{i}.5" for i in range(300)), "7.0"]
    assert str(column(settings, tmp_path, list(amounts)).types["x"]) == "number"


@pytest.mark.parametrize("name", ["user_id", "userId", "brandID", "ZIP", "C1id"])
def test_names_of_codes(name: str, settings: Compose, tmp_path: Path) -> None:
    """Numbers that repeat too seldom to be codes, but for their name."""
    path = tmp_path / "rows.csv"
    values = rng.integers(1000, size=300)
    pl.DataFrame({"clicked": CLICKS, name: values, "grid": values}).write_csv(path)
    types = {key: str(type_) for key, type_ in table(settings, path).types.items()}
    assert types == {name: "category", "grid": "number"}


def test_who_is_missing_is_nobody(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    users = [["7.0", "NULL", " ", "nan", "8"][i % 5] for i in range(300)]
    pl.DataFrame({"clicked": CLICKS, "u": users, "t": range(300), "x": BRANDS}).write_csv(path)
    history = "data.history={user:u,time:t,of:[x],length:2}"
    rows = rows_of(table(settings, path, "data.group=u", history))
    for key in (USER, GROUP):
        assert rows[key][:5].to_list() == ["7", None, None, None, "8"]


def test_the_first_rows_are_not_all(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is equal, missing or different there may not be so behind them."""
    path, rows = tmp_path / "rows.csv", range(400)
    frame = pl.DataFrame(
        {
            "clicked": [i % 2 for i in rows],
            "row": rows,
            "same": ["a" if i < 200 else "b" for i in rows],
            "late": [None if i < 200 else i % 3 for i in rows],
            "user_id": [(i * 7) % 200 for i in rows],
        }
    )
    frame.write_csv(path)
    whole = table(settings, path)
    assert whole.left_out == {"row": "its values number the rows"}

    monkeypatch.setattr(cells, "BLOCK_BYTES", 2000)
    frame.head(399).write_csv(path)
    first = table(settings, path)
    assert first.left_out == {"row": "its values number the rows"}
    notes = {"same": "equal", "late": "missing", "user_id": "different"}
    for name, what in notes.items():
        assert str(first.types[name]) == "category"
        said = rf"the first 1\d\d values are {what}; skip\? data.types=\[{name}:skip\]"
        assert pl.Series([first.doubts[name]]).str.contains(f"^{said}$").all()
    assert {"same", "late", "user_id"} <= {
        field.name for field in prepared(settings, f"data.path={path}").schema.fields
    }
