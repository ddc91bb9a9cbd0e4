"""Types that are inferred where the first look misleads, and hints that can be followed."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data.sources.tables import column, prepared, rows_of, table
from support import Compose, run, run_directory

import ctrbench
from ctrbench.data.schema import TIME
from ctrbench.errors import UserError

ROWS = 600
RNG = np.random.default_rng(11)
CLICKS = [i % 2 for i in range(ROWS)]
ITEMS = [f"i{i}" for i in RNG.integers(9, size=ROWS)]
INDEX = RNG.permutation(ROWS)


def write(folder: Path, kind: str, frame: pl.DataFrame, **how: Any) -> Path:
    path = folder / f"rows.{kind}"
    frame.write_parquet(path, **how) if kind == "parquet" else frame.write_csv(path)
    return path


# The index of a data frame.

NAMES = ["", "Unnamed: 0", "__index_level_0__"]


@pytest.mark.parametrize("types", [[], ["data.types=['*:category']"]])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_index_without_a_name_is_no_feature(
    kind: str, name: str, types: list[str], settings: Compose, tmp_path: Path
) -> None:
    frame = pl.DataFrame({name: INDEX, "clicked": CLICKS, "item": ITEMS})
    source = table(settings, write(tmp_path, kind, frame), *types)
    assert [c.name for c in source.columns] == ["item"]
    ((left_out, why),) = source.left_out.items()
    assert left_out == (name or "Unnamed: 0") and "index" in why
    (override,) = shlex.split(why[why.index("data.types=") :] if "'" not in why else _word(why))
    used = table(settings, tmp_path / f"rows.{kind}", override)
    assert [c.name for c in used.columns] == [left_out, "item"]


def _word(text: str) -> str:
    return re.findall(r"'data\.[^']*'", text)[0]


def test_pandas_says_which_column_is_the_index(settings: Compose, tmp_path: Path) -> None:
    """By the metadata of the file, whatever its name; a named index is a column of its own."""
    frame = pl.DataFrame({"clicked": CLICKS, "item": ITEMS, "key": INDEX, "user": INDEX % 50})
    columns = [{"name": name, "field_name": name} for name in ("clicked", "item", "user")]
    columns.append({"name": None, "field_name": "key"})
    pandas = json.dumps({"index_columns": ["key", "user"], "columns": columns})
    source = table(settings, write(tmp_path, "parquet", frame, metadata={"pandas": pandas}))
    assert [c.name for c in source.columns] == ["item", "user"]


def test_files_with_and_without_an_index_go_together(settings: Compose, tmp_path: Path) -> None:
    frame = pd.DataFrame({"clicked": CLICKS, "item": ITEMS, "n": RNG.integers(10**6, size=ROWS)})
    words = []
    for i, part in enumerate(("train", "valid", "test")):
        frame[i * 200 : i * 200 + 200].to_csv(tmp_path / f"{part}.csv", index=i > 0)
        words.append(f"data.{part}={tmp_path}/{part}.csv")
    own = prepared(settings, *words)
    assert [f.name for f in own.schema.fields] == ["item", "n"]


def test_predictions_need_no_index(settings: Compose, tmp_path: Path) -> None:
    frame = pd.DataFrame({"clicked": CLICKS, "item": ITEMS, "z": RNG.integers(7, size=ROWS)})
    frame.to_csv(tmp_path / "rows.csv")
    words = ["data=table", f"data.path={tmp_path}/rows.csv", "data.label=clicked"]
    own = settings("model=lr", *words, "data.min_count=1")
    run(own)
    opened = ctrbench.open_run(run_directory(own).path)
    again = pd.read_csv(tmp_path / "rows.csv")
    assert again.columns[0] == "Unnamed: 0"
    np.testing.assert_array_equal(opened.predictions(again), opened.predictions(frame))


# Numbers that are codes.

LARGE = [str(2**60 + int(i) * 7919) for i in RNG.integers(200, size=ROWS)]
VERSIONS = [f"4.{i}" for i in RNG.integers(1, 12, size=ROWS - 2)] + ["4.1", "4.10"]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (VERSIONS, "category"),
        ([f"{i / 4:.2f}" for i in range(ROWS)], "number"),
        ([str(i / 4) for i in range(ROWS)], "number"),
        (["-0.0", "0.0", "1.5"] * 200, "number"),
        (LARGE, "category"),
        ([str(-(2**53) - i % 9) for i in range(ROWS)], "category"),
        ([str(2**53 - 7 * i) for i in range(ROWS)], "number"),
    ],
)
def test_numbers_that_are_codes(
    values: list[str], type_: str, settings: Compose, tmp_path: Path
) -> None:
    source = column(settings, tmp_path, list(values))
    assert str(source.types["x"]) == type_
    if type_ == "category":
        assert rows_of(source)["x"].n_unique() == len(set(values))


def test_amounts_that_hardly_repeat_stay_amounts(settings: Compose, tmp_path: Path) -> None:
    values = [f"{i}.5" for i in range(ROWS - 1)] + ["7.50"]
    source = column(settings, tmp_path, list(values))
    assert str(source.types["x"]) == "number" and "7.5 and 7.50" in source.doubts["x"]


@pytest.mark.parametrize("codes", [LARGE, [f"0{i % 50}" for i in range(ROWS)], VERSIONS])
def test_one_choice_over_all_files(codes: list[str], settings: Compose, tmp_path: Path) -> None:
    """Where the training file alone looks like amounts."""
    words = []
    plain = [f"{i % 90}{'.5' if codes == VERSIONS else ''}" for i in range(200)]
    for i, part in enumerate(("train", "valid", "test")):
        own = codes[-200:] if part == "test" else plain
        frame = pl.DataFrame(
            {"clicked": CLICKS[:200], "item": ITEMS[i : 200 + i], "x": map(str, own)}
        )
        frame.write_csv(tmp_path / f"{part}.csv")
        words.append(f"data.{part}={tmp_path}/{part}.csv")
    alone = table(settings, tmp_path / "train.csv")
    assert str(alone.types["x"]) == "number"
    from ctrbench.data.sources.registry import open_source

    source: Any = open_source(settings("data=table", "data.label=clicked", *words).data)
    assert str(source.types["x"]) == "category"


# Times.

TIMES = [datetime(2024, 3, 13, 10) + timedelta(minutes=47 * i) for i in range(ROWS)]
HOURS = [t.hour for t in TIMES]
UNIX = [int(t.replace(tzinfo=UTC).timestamp()) for t in TIMES]
ZONES = ["Z", "+01:00", "-0530", "+00", " UTC"]


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
@pytest.mark.parametrize("form", [None, "unit", "%s"])
def test_unix_times(
    unit: str, factor: int, form: str | None, settings: Compose, tmp_path: Path
) -> None:
    declared = {
        None: [],
        "unit": [f"data.types=[x:date:{unit}]"],
        "%s": ["data.types=['x:date:%s']"],
    }
    values: list[object] = [at * factor for at in UNIX]
    source = column(settings, tmp_path, [*values[:-1], ""], *declared[form])
    assert rows_of(source)["x.hour"].to_list() == [*HOURS[:-1], None]
    if form is None:
        assert str(source.types["x"]) == f"date:{unit}" and "UTC" in source.doubts["x"]


@pytest.mark.parametrize("name", ["item_id", "zip"])
def test_codes_in_the_range_of_unix_times(name: str, settings: Compose, tmp_path: Path) -> None:
    frame = pl.DataFrame({"clicked": CLICKS, name: UNIX})
    types = table(settings, write(tmp_path, "csv", frame.with_columns(z=pl.Series(ITEMS)))).types
    assert str(types[name]) == "skip"  # codes that are all different


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_are_dropped(zone: str, settings: Compose, tmp_path: Path) -> None:
    values: list[object] = [t.isoformat() + zone for t in TIMES]
    source = column(settings, tmp_path, values)
    assert str(source.types["x"]) == "date" and rows_of(source)["x.hour"].to_list() == HOURS


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%S%:z", "%d.%m.%Y %H:%M %z", "%a %b %d %H:%M:%S %z %Y"]
)
def test_declared_offsets_are_dropped(form: str, settings: Compose, tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=1))
    text = pl.Series([t.replace(tzinfo=zone) for t in TIMES]).dt.convert_time_zone("Africa/Lagos")
    values = text.dt.strftime(form).to_list()
    rows = rows_of(column(settings, tmp_path, values, f"data.types=['x:date:{form}']"))
    assert rows["x.hour"].to_list() == HOURS


def test_a_zone_in_parquet_is_the_wall_clock_too(settings: Compose, tmp_path: Path) -> None:
    times = pl.Series(TIMES).dt.replace_time_zone("Asia/Tokyo")
    frame = pl.DataFrame({"clicked": CLICKS, "x": times})
    rows = rows_of(table(settings, write(tmp_path, "parquet", frame)))
    assert rows["x.hour"].to_list() == HOURS


@pytest.mark.parametrize("late", ["9999-12-31", "2263-01-01 10:00"])
def test_years_beyond_2262_are_refused(late: str, settings: Compose, tmp_path: Path) -> None:
    values: list[object] = [str(t) for t in TIMES[:50]]
    with pytest.raises(UserError, match=r"line 52, column x: .*2262") as error:
        rows_of(column(settings, tmp_path, [*values, late], "data.types=[x:date]"))
    assert "\n" not in str(error.value)


OTHER_FORMS = {
    "datetime64": pd.Series(TIMES),
    "with a zone": pd.Series(TIMES).dt.tz_localize("Asia/Tokyo"),
    "ISO": pd.Series([t.isoformat() for t in TIMES]),
    "offset": pd.Series([f"{t.isoformat()}+02:00" for t in TIMES]),
    "point": pd.Series([t.strftime("%d.%m.%Y %H:%M") for t in TIMES]),
    "slash": pd.Series([t.strftime("%m/%d/%Y %H:%M") for t in TIMES]),
    "unix": pd.Series(UNIX),
    "milliseconds": pd.Series([1000 * at for at in UNIX]),
}


@pytest.mark.parametrize("trained", ["point", "ISO", "unix"])
def test_predict_takes_any_form_that_is_clear(
    trained: str, settings: Compose, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"clicked": CLICKS, "item": ITEMS, "at": OTHER_FORMS[trained]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    words = ["data=table", f"data.path={tmp_path}/rows.csv", "data.label=clicked"]
    own = settings("model=fm", "model.init_std=1", *words, "data.min_count=1")
    run(own)
    opened = ctrbench.open_run(run_directory(own).path)
    expected = opened.predictions(frame)
    assert len(np.unique(expected)) > 30
    for name, times in OTHER_FORMS.items():
        np.testing.assert_array_equal(opened.predictions(frame.assign(at=times)), expected, name)
    unclear = frame.assign(at="03/04/2024 10:00")
    with pytest.raises(UserError, match="column at: '03/04/2024 10:00' is not a date"):
        opened.predictions(unclear)


def test_a_form_that_contradicts_the_declared_one_is_refused(
    settings: Compose, tmp_path: Path
) -> None:
    values: list[object] = ["03/13/2024", "03/25/2024"]
    with pytest.raises(UserError, match="line 2, column x: '03/13/2024' is not a date"):
        rows_of(column(settings, tmp_path, values, "data.types=['x:day:%d/%m/%Y']"))


@pytest.mark.parametrize("times", [range(ROWS), [t.isoformat() for t in TIMES], UNIX])
def test_the_column_that_splits_is_no_feature(
    times: Any, settings: Compose, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"clicked": CLICKS, "item": ITEMS, "t": list(times)})
    path = write(tmp_path, "csv", frame)
    words = ["model=lr", f"data.path={path}", "data.time=t", "split=time"]
    store = prepared(settings, *words)
    assert [f.name for f in store.schema.fields] == ["item"]
    why = store.manifest["left_out"]["t"]
    (override,) = shlex.split(why[why.index("data.types=") :])
    assert len(prepared(settings, *words, override).schema.fields) > 1
    rows = rows_of(table(settings, path, "data.time=t"))
    assert rows[TIME].is_sorted() and rows[TIME].n_unique() == ROWS
    left_out = prepared(settings, *words, "data.exclude=[t.hour,t]")
    assert [f.name for f in left_out.schema.fields] == ["item"]


# Lists.


@pytest.mark.parametrize("kind", [pl.List(pl.Float32), pl.Array(pl.Float64, 2)])
def test_vectors_are_left_out(kind: Any, settings: Compose, tmp_path: Path) -> None:
    vectors = pl.Series("v", RNG.normal(size=(ROWS, 2)).tolist()).cast(kind)
    whole = pl.Series("w", [[1.0, float(i % 5)] for i in range(ROWS)])
    frame = pl.DataFrame({"clicked": CLICKS, "item": ITEMS}).with_columns(vectors, whole)
    path = write(tmp_path, "parquet", frame)
    for words in ([], ["data.types=['*:category',w:multi]"]):
        source = table(settings, path, *words)
        assert [c.name for c in source.columns] == ["item", "w"]
        assert "v" in source.left_out
    if (why := source.left_out["v"]).startswith("values of type Array"):
        return
    (override,) = shlex.split(why[why.index("data.types=") :])
    assert "v" in [c.name for c in table(settings, path, override).columns]


TAGS = [["Action", "Indie"], ["Indie"], ["Drama", "Action"], [], ["Café"], ["Drama", "Indie"]] * 100
SPELLED = {
    "|": ["|".join(tags) for tags in TAGS],
    ", ": [", ".join(tags) for tags in TAGS],
    ";": [" ; ".join([*tags, ""]) for tags in TAGS],
    "json": [json.dumps(tags) for tags in TAGS],
    "python": [str(tags) for tags in TAGS],
    "numpy": [str(np.array(tags)) if tags else "[]" for tags in TAGS],
}


@pytest.mark.parametrize("spelling", SPELLED)
def test_lists_in_text_are_named_and_read(spelling: str, settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv", pl.DataFrame({"clicked": CLICKS, "x": SPELLED[spelling]}))
    source = table(settings, path)
    assert str(source.types["x"]) == "category"
    (override,) = shlex.split(source.doubts["x"].partition("lists? ")[2])
    rows = rows_of(table(settings, path, override))
    assert [tags or [] for tags in rows["x"].to_list()] == TAGS
    if spelling == ", ":
        declared = table(settings, path, "data.types=[x:multi]")
        assert override in declared.doubts["x"]  # the separator is another
        rows = rows_of(table(settings, path, "data.types=[x:multi]", 'data.values_separator=","'))
        assert rows["x"].to_list()[0] == ["Action", "Indie"]


def test_lists_of_a_file_are_trimmed(settings: Compose, tmp_path: Path) -> None:
    lists = [[" a ", "", None, "b"], ["a"], [], None] * 150
    frame = pl.DataFrame({"clicked": CLICKS, "x": lists})
    rows = rows_of(table(settings, write(tmp_path, "parquet", frame)))
    assert rows["x"].to_list()[:4] == [["a", "b"], ["a"], [], None]


@pytest.mark.parametrize("value", ["Paris, FR", "Lyon; FR", "one, two and three"])
def test_text_with_commas_is_no_list(value: str, settings: Compose, tmp_path: Path) -> None:
    values: list[object] = [value, "Oslo", "Köln", "Rome"] * 150
    assert column(settings, tmp_path, values).doubts == {}


@pytest.mark.parametrize(
    ("words", "slots"), [([], 8), (["data.max_values=3"], 3), (["data.max_values=1000"], 500)]
)
def test_long_lists_are_cut(
    words: list[str],
    slots: int,
    settings: Compose,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lists = [["a", "b"] if i % 3 else ["c"] for i in range(ROWS)]
    lists[7] = [f"v{i}" for i in range(500)]
    path = write(tmp_path, "parquet", pl.DataFrame({"clicked": CLICKS, "x": lists}))
    with caplog.at_level("INFO"):
        store = prepared(settings, "model=lr", f"data.path={path}", "split=order", *words)
    (field,) = store.schema.fields
    assert field.slots == slots and field.size == 3 + slots + 2
    assert ("data.max_values=500 keeps all" in caplog.text) is (slots < 500)


def test_lists_of_one_length_are_not_cut(settings: Compose, tmp_path: Path) -> None:
    lists = [[f"v{(i + j) % 40}" for j in range(20)] for i in range(ROWS)]
    path = write(tmp_path, "parquet", pl.DataFrame({"clicked": CLICKS, "x": lists}))
    assert prepared(settings, "model=lr", f"data.path={path}").schema.fields[0].slots == 20


# Hints.

HINTED: dict[str, list[Any]] = {
    "few repeats": [i % 300 for i in range(ROWS)],
    "repeats": [i % 100 for i in range(2000)],
    "versions": VERSIONS,
    "large": LARGE,
    "unix": UNIX,
    "digits": [f"202403{i % 28 + 1:02}" for i in range(ROWS)],
    "unclear dates": [f"0{i % 9 + 1}/0{i % 7 + 1}/2024" for i in range(ROWS)],
    "two digits": [f"{i % 28 + 1}/11/17 9:30" for i in range(ROWS)],
    "lists": SPELLED[", "],
    "no number": ["12.5", "7.25", "-"] * 200,
    "no date": ["2024-03-13", "2024-03-17", "soon"] * 200,
}
COLUMNS = ["x", "价格", "it's", "a b", "x:y", "[z]", "a,b", "1", 'say "so"', "null"]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("kind", HINTED)
def test_every_hint_works_as_printed(
    kind: str, name: str, settings: Compose, tmp_path: Path
) -> None:
    values = HINTED[kind]
    clicks = [i % 2 for i in range(len(values))]
    frame = pl.DataFrame({"clicked": clicks, name: map(str, values)})
    path = write(tmp_path, "csv", frame.with_columns(other=pl.Series(clicks)))
    try:
        source = table(settings, path)
        (text,) = source.doubts.values()
    except UserError as error:
        text = str(error)
    overrides = [word for word in shlex.split(_shell(text)) if word.startswith("data.")]
    assert overrides
    for override in overrides:
        told = table(settings, path, override)
        assert len(rows_of(told)) == len(values)
        assert told.types[name].name in override or "missing" in override


def _shell(text: str) -> str:
    """The overrides of a message, without its other words, which may hold single marks."""
    return " ".join(re.findall(r"'data\.\w+=(?:[^']|'\"'\"')*'|data\.\w+=\[[^\s;]*\]", text))
