"""Anyone's table: what types are found, how each is read, what is refused."""

import gzip
import io
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Compose, store_of

from ctrbench.data.schema import LABEL
from ctrbench.data.sources.cells import cells_of, header_of
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.table import Table
from ctrbench.data.store import stages
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError

ROWS = 400
rng = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "row": np.arange(ROWS),
        "user_id": rng.integers(1000, 1100, ROWS),
        "city": rng.choice(["Oslo", "Paris, FR", 'the "big" one', "two\nlines", "Köln"], ROWS),
        "zip": [f"{z:05}" for z in rng.integers(0, 50, ROWS)],
        "price": rng.lognormal(size=ROWS).round(4),
        "visits": rng.integers(0, 10_000, ROWS),
        "stars": rng.integers(1, 6, ROWS),
        "seen": pl.Series(rng.integers(1_700_000_000, 1_702_000_000, ROWS) * 10**6).cast(
            pl.Datetime("us")
        ),
        "born": pl.Series(rng.integers(0, 10_000, ROWS)).cast(pl.Date),
        "mobile": rng.integers(2, size=ROWS) == 1,
        "comment": [f"text {i}" for i in range(ROWS)],
        "same": ["x"] * ROWS,
        "nothing": pl.Series([None] * ROWS, dtype=pl.String),
        "clicked": rng.integers(2, size=ROWS),
    }
).with_columns(pl.when(pl.col("row") % 7 == 0).then(None).otherwise(pl.col("price")).alias("price"))
FOUND = {
    "user_id": "category",
    "city": "category",
    "zip": "category",
    "price": "number",
    "visits": "number",
    "stars": "category",
    "seen": "date",
    "born": "day",
    "mobile": "category",
    "row": "skip",
    "comment": "skip",
    "same": "skip",
    "nothing": "skip",
}


def write(folder: Path, kind: str, frame: pl.DataFrame = FRAME) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        frame.write_parquet(path)
        return path
    separator = "\t" if kind.startswith("tsv") else ";" if kind == "txt" else ","
    text = frame.write_csv(separator=separator).encode()
    path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    return path


def table(settings: Compose, path: Path, *words: str) -> Table:
    source = open_source(
        settings("data=table", f"data.path={path}", "data.label=clicked", *words).data
    )
    assert isinstance(source, Table)
    return source


def rows_of(source: Table) -> pl.DataFrame:
    return pl.concat([piece.read() for piece in source.slices()])


def prepared(settings: Compose, *words: str) -> Store:
    own = settings("data=table", "data.label=clicked", "data.min_count=1", *words)
    return store_of(own)


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "csv.gz", "parquet"])
def test_types_are_found(kind: str, settings: Compose, tmp_path: Path) -> None:
    source = table(settings, write(tmp_path, kind))
    assert {name: str(type_) for name, type_ in source.types.items()} == FOUND


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_rows_are_those_of_the_file(kind: str, settings: Compose, tmp_path: Path) -> None:
    rows = rows_of(table(settings, write(tmp_path, kind)))
    assert rows[LABEL].to_list() == FRAME["clicked"].to_list()
    for name in ("user_id", "city", "zip", "stars", "mobile"):
        assert rows[name].to_list() == FRAME[name].cast(pl.String).to_list()
    for name in ("price", "visits"):
        assert rows[name].to_list() == FRAME[name].cast(pl.Float64).to_list()
    for part in ("hour", "weekday"):
        assert rows[f"seen.{part}"].to_list() == getattr(FRAME["seen"].dt, part)().to_list()
    assert rows["born.weekend"].to_list() == (FRAME["born"].dt.weekday() > 5).to_list()
    assert "born.hour" not in rows.columns and "comment" not in rows.columns


def test_types_are_declared(settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    source = table(settings, path, "data.types=[visits:category,stars:number,born:skip]")
    assert str(source.types["visits"]) == "category" and str(source.types["stars"]) == "number"
    assert "born.weekday" not in rows_of(source).columns
    only = table(settings, path, "data.types=[stars:number,city:category,'*:skip']")
    assert [column.name for column in only.columns] == ["stars", "city"]
    codes = table(settings, path, "data.types=['*:category']")
    assert {str(type_) for type_ in codes.types.values()} == {"category"}


def test_resolved_types_read_the_same_elsewhere(settings: Compose, tmp_path: Path) -> None:
    source = table(settings, write(tmp_path, "csv"))
    again = Table(source.resolved())
    assert again.columns == source.columns and again.types == source.types
    few = tmp_path / "few.csv"
    FRAME.drop("clicked").head(3).write_csv(few)
    frame = next(again.slices_of(few)).read()
    assert LABEL not in frame.columns and len(frame) == 3


def test_declared_dates_and_lists(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    hours = ["14102100", "14102523", "14102112"] * 50
    lines = [f"{i % 2},{hour},{'a|b' if i % 3 else ''}" for i, hour in enumerate(hours)]
    path.write_text("clicked,hour,tags\n" + "\n".join(lines))
    words = ["'hour:date:%y%m%d%H'", "tags:multi"]
    rows = rows_of(table(settings, path, f"data.types=[{','.join(words)}]"))
    assert rows["hour.hour"].to_list()[:3] == [0, 23, 12]
    assert rows["hour.weekday"].to_list()[:3] == [2, 6, 2]
    assert rows["tags"].to_list()[:2] == [None, ["a", "b"]]
    store = prepared(settings, f"data.path={path}", f"data.types=[{','.join(words)}]")
    assert store.schema.fields[-1].slots == 2


def test_three_files(settings: Compose, tmp_path: Path) -> None:
    words = []
    for part, rows in {
        "train": FRAME.head(300),
        "valid": FRAME[300:350],
        "test": FRAME[350:],
    }.items():
        rows.write_csv(tmp_path / f"{part}.csv")
        words.append(f"data.{part}={tmp_path / part}.csv")
    assert prepared(settings, *words).summary()["rows"] == {"train": 300, "valid": 50, "test": 50}
    FRAME.drop("stars").head(50).write_csv(tmp_path / "test.csv")
    with pytest.raises(UserError, match=r"test.csv: its columns differ .* stars"):
        open_source(settings("data=table", "data.label=clicked", *words).data).check()


def test_avazu_needs_no_code(settings: Compose, tmp_path: Path) -> None:
    names = ["id", "click", "hour", "C1", "site_id", "device_ip", "C21"]
    lines = [
        f"{10**18 + i},{i % 3 // 2},141021{i % 24:02},1005,{i % 5:08x},{i % 11:08x},{i % 7}"
        for i in range(300)
    ]
    path = tmp_path / "train.gz"
    path.write_bytes(gzip.compress("\n".join([",".join(names), *lines]).encode()))
    own = settings("data=avazu", f"data.path={path}", "data.exclude=[C1,hour.weekday,hour.weekend]")
    store = store_of(own)
    fields = {field.name: field.size for field in store.schema.fields}
    assert fields == {"hour.hour": 25, "site_id": 6, "device_ip": 12, "C21": 8}


BAD = {
    "no label": (b"a,b\n1,2\n", "data.label=clicked: FILE has no such column; known here: a, b"),
    "short row": (b"clicked,a,b\n1,2,3\n0,1\n", "FILE, line 3: 2 columns, expected 3"),
    "long quoted row": (b'clicked,a\n1,"x"\n0,"y",3\n', "FILE, line 3: 3 columns, expected 2"),
    "open quote": (b'clicked,a\n1,"x\n0,1\n', "FILE, line"),
    "name twice": (b"clicked,a,a\n1,2,3\n", "line 1: columns 2 and 3 are both named a"),
    "no name": (b"clicked,,a\n1,2,3\n", "line 1: column 2 has no name"),
    "not UTF-8": (b"clicked,a\n1,x\n0,\xff\n", "FILE, line 3: not UTF-8 text"),
    "NUL": (b"clicked,a\n1,x\n0,\0\n", "FILE, line 3: a NUL byte"),
    "label": (b"clicked,a\n1,x\n0,y\n7,z\n", "FILE, line 4, column clicked: '7' is not a label"),
    "empty label": (b"clicked,a\n1,x\n,y\n", "FILE, line 3, column clicked: empty is not a label"),
    "only a header": (b"clicked,a\n", "FILE: no rows after the header"),
    "empty": (b"", "FILE: the file is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, settings: Compose, tmp_path: Path) -> None:
    data, message = BAD[name]
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        source = table(settings, path, "data.types=['*:category']")
        source.check()
        rows_of(source)
    said = str(error.value)
    assert message.replace("FILE", str(path)) in said and "\n" not in said


def test_values_that_belie_their_type(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("clicked,price,seen\n1,2.5,2024-01-01\n0,cheap,2024-01-02\n1,inf,soon\n")
    for types, message in {
        "price:number": r"line 3, column price: 'cheap' is not a finite number; .*price:category",
        "seen:day": r"line 4, column seen: 'soon' is not a date; .*seen:date:FORM",
    }.items():
        with pytest.raises(UserError, match=message):
            rows_of(table(settings, path, f"data.types=[{types},'*:category']"))


def test_bad_declarations(settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    with pytest.raises(UserError, match=r"data.types=price:numbr: .* did you mean number"):
        table(settings, path, "data.types=[price:numbr]").check()
    with pytest.raises(UserError, match=r"data.types=prise: .* no such column; did you mean price"):
        table(settings, path, "data.types=[prise:number]").check()
    with pytest.raises(UserError, match=r"data.separator='::': must be one ASCII character"):
        table(settings, path, "data.separator='::'").check()
    with pytest.raises(UserError, match=r"needs data.label=COLUMN"):
        open_source(settings("data=table", f"data.path={path}").data)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match=r"x.parquet: not a Parquet file, or damaged"):
        table(settings, tmp_path / "x.parquet").check()


def test_crlf_and_byte_order_mark(settings: Compose, tmp_path: Path) -> None:
    text = FRAME.write_csv().replace("two\nlines", "two lines")
    plain, windows = tmp_path / "plain.csv", tmp_path / "windows.csv"
    plain.write_bytes(text.encode())
    windows.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert rows_of(table(settings, plain)).equals(rows_of(table(settings, windows)))


def test_odd_names_and_large_codes(settings: Compose, tmp_path: Path) -> None:
    """A column may be called anything, also what is used within; codes may be above 2^31."""
    frame = FRAME.select(
        pl.col("clicked"),
        pl.col("city").alias("label"),
        pl.col("stars").alias("a/b:c d%"),
        (pl.col("zip").cast(pl.Int64) + 2**40).alias("value"),
        pl.col("user_id").alias("count"),
    )
    path = tmp_path / "odd.csv"
    frame.write_csv(path)
    store = prepared(settings, f"data.path={path}", "data.types=[value:category]")
    assert [field.name for field in store.schema.fields] == frame.columns[1:]
    rows = rows_of(table(settings, path, "data.types=[value:category]"))
    assert rows["value"].to_list() == frame["value"].cast(pl.String).to_list()
    source = table(settings, path)
    assert Table(source.resolved()).columns == source.columns
    ids, _ = store.encoder()(rows)
    assert (ids > 0).all()


def test_the_label_is_no_feature(settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    for types in ("clicked:category,city:category,'*:skip'", "clicked:category"):
        source = table(settings, path, f"data.types=[{types}]")
        assert "clicked" not in [column.name for column in source.columns]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y%m%d", "%d/%b/%Y", "%d.%m.%Y %H", "%F %T"])
def test_forms_of_dates(form: str, settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    days = FRAME["seen"].dt.truncate("1h")
    pl.DataFrame({"clicked": FRAME["clicked"], "d": days.dt.strftime(form)}).write_csv(path)
    type_ = "date" if "%H" in form or "%T" in form else "day"
    rows = rows_of(table(settings, path, f"data.types=['d:{type_}:{form}']"))
    assert rows["d.weekday"].to_list() == days.dt.weekday().to_list()
    if type_ == "date":
        assert rows["d.hour"].to_list() == days.dt.hour().to_list()


def test_columns_that_training_rows_make_useless(settings: Compose, tmp_path: Path) -> None:
    """Left out, whether their type was found or declared."""
    path = tmp_path / "rows.csv"
    almost = [f"text {max(i, 1)}" for i in range(ROWS)]  # but for one, all are different
    FRAME.select("clicked", "city", pl.Series("almost", almost)).write_csv(path)
    for declared in ([], [CODES]):
        own = settings("data=table", f"data.path={path}", "data.label=clicked", *declared)
        assert [f.name for f in store_of(own).schema.fields] == ["city"]


def column(settings: Compose, folder: Path, values: list[object], *words: str) -> Table:
    """A table of one column, x, beside the label."""
    path = folder / "column.csv"
    clicked = [i % 2 for i in range(len(values))]
    pl.DataFrame({"clicked": clicked, "x": [str(v) for v in values]}).write_csv(path)
    return table(settings, path, *words)


TIMES = pl.Series(
    [datetime(2017, 1 + i % 12, 1 + i % 28, i % 24, i % 60, i % 50) for i in range(150)]
)
FORMS = {
    "%Y-%m-%d %H:%M:%S": "date",
    "%Y-%m-%dT%H:%M:%SZ": "date",
    "%d/%m/%Y": "day:%d/%m/%Y",
    "%-m/%-d/%Y %-H:%M": "date:%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S": "date:%d.%m.%Y %H:%M:%S%.f",
    "%m-%d-%Y %I:%M %p": "date:%m-%d-%Y %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p": "date:%m/%d/%Y %I:%M:%S%.f %p",
    "%Y/%m/%d %H:%M": "date:%Y/%m/%d %H:%M",
    "%d-%b-%Y": "day:%d-%B-%Y",
    "%-d %B %Y %H:%M": "date:%d %B %Y %H:%M",
}


@pytest.mark.parametrize("form", FORMS)
def test_common_forms_of_dates_are_found(form: str, settings: Compose, tmp_path: Path) -> None:
    source = column(settings, tmp_path, TIMES.dt.strftime(form).to_list())
    assert str(source.types["x"]) == FORMS[form]
    rows = rows_of(source)
    assert rows["x.weekday"].to_list() == TIMES.dt.weekday().to_list()
    if "%M" in form:
        assert rows["x.hour"].to_list() == TIMES.dt.hour().to_list()
    assert Table(source.resolved()).types == source.types


def test_day_or_month_is_asked_where_no_value_tells(settings: Compose, tmp_path: Path) -> None:
    values: list[object] = ["11/7/2017 9:30", "", "1/12/2017 10:00", "2/2/2016 0:15"] * 10
    choices = r"'x:date:%d/%m/%Y %H:%M'\]\" or \"data.types=\['x:date:%m/%d/%Y %H:%M'\]\""
    asks = rf"column x: does '11/7/2017 9:30' begin with the day or the month\? .*{choices}$"
    for types in ([], ["data.types=[x:date]"]):
        with pytest.raises(UserError, match=asks):
            column(settings, tmp_path, values, *types)
    source = column(settings, tmp_path, values, "data.types=['x:date:%m/%d/%Y %H:%M']")
    assert rows_of(source)["x.weekday"].to_list()[:3] == [2, None, 4]
    assert column(settings, tmp_path, values, "data.types=[x:category]").columns[0].name == "x"
    told = column(settings, tmp_path, [*values, "1/13/2017 9:30"], "data.types=[x:day]")
    assert str(told.types["x"]) == "day:%m/%d/%Y %H:%M"


LIKE = {
    "two digits for the year": ["11/7/17 9:30", "12/7/17 10:30"],
    "a name of the day": ["Tue Nov 07 09:30:00 2017", "Wed Nov 08 09:30:00 2017"],
    "the month first": ["Nov 7, 2017", "November 8, 2017"],
    "several forms": ["2017-11-07", "07/11/2017"],
    "digits": [20171107, 20171231],
    "digits with the hour": [2017110709, 2017123123],
    "a zone": ["2017-11-07 09:30:00+02:00", "2017-11-08 09:30:00+02:00"],
}


@pytest.mark.parametrize("name", LIKE)
def test_other_forms_of_dates_are_hinted_at(name: str, settings: Compose, tmp_path: Path) -> None:
    source = column(settings, tmp_path, LIKE[name] * 30)
    assert str(source.types["x"]) == "category"
    assert source.doubts == {"x": "dates? data.types=['x:date:FORM']"}


@pytest.mark.parametrize("value", ["10.0.0.1", "1.2.3", "12-b", "31.7", "may be", "20179999"])
def test_what_is_no_date_is_not_taken_for_one(
    value: str, settings: Compose, tmp_path: Path
) -> None:
    source = column(settings, tmp_path, [value, value[:-1] + "0"] * 30)
    assert str(source.types["x"]) == ("number" if value == "31.7" else "category")
    assert source.doubts == {}


@pytest.mark.parametrize(
    ("distinct", "rows", "type_", "doubt"),
    [
        (10, 200, "category", ""),
        (10, 199, "number", "or codes? data.types=[x:category]"),
        (99, 1980, "category", ""),
        (100, 2000, "category", "or amounts? data.types=[x:number]"),
        (300, 400, "number", "or codes? data.types=[x:category]"),
    ],
)
def test_whole_numbers_are_codes_where_they_repeat(
    distinct: int, rows: int, type_: str, doubt: str, settings: Compose, tmp_path: Path
) -> None:
    values = [*range(distinct), *([0, 5, 3] * rows)][:rows]
    source = column(settings, tmp_path, list(values))
    assert str(source.types["x"]) == type_
    assert source.doubts == ({"x": doubt} if doubt else {})


@pytest.mark.parametrize(("rows", "type_"), [(99, "category"), (100, "skip")])
def test_few_rows_say_nothing_of_differing_values(
    rows: int, type_: str, settings: Compose, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    frame = FRAME.select("clicked", "city", "comment").head(rows)
    frame.write_csv(path)
    source = table(settings, path)
    assert str(source.types["comment"]) == type_
    said = {"comment": "all values are different"} if type_ == "skip" else {}
    assert source.left_out == said


def test_what_was_found_is_said_once(
    settings: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"data.path={write(tmp_path, 'csv')}", "data.exclude=[stars,row]", "split=order"]
    with caplog.at_level("INFO"):
        store = prepared(settings, *words)
        assert caplog.text.count("| visits ") == 1
        prepared(settings, *words)
    assert caplog.text.count("| visits ") == 1
    lines = {line.split("|")[1].strip(): line for line in caplog.text.split("\n") if "| " in line}
    train = FRAME.head(ROWS * 8 // 10)  # a missing price is no distinct value
    distinct, missing = train["price"].drop_nulls().n_unique(), train["price"].null_count()
    share = f"{missing / len(train):.1%}"
    assert [cell.strip() for cell in lines["price"].strip("|").split("|")] == [
        *("price", "numeric", "quantile", str(distinct), share, "33", "")
    ]
    assert "| 33  | or codes? data.types=[visits:category] |" in lines["visits"]
    assert "left out: all values are equal" in lines["same"]
    assert "stars" not in lines and "row" not in lines
    assert store.manifest["doubts"] == {"visits": "or codes? data.types=[visits:category]"}


def test_a_file_of_labels_alone(settings: Compose, tmp_path: Path) -> None:
    """Labels that are all equal are none the less the label, and no column that is left out."""
    path = tmp_path / "rows.csv"
    path.write_text("clicked\n0\n0\n")
    with pytest.raises(UserError, match=r"rows.csv: no column is of use beside the label clicked;"):
        table(settings, path)
    path.write_text("clicked,a\n0,1\n0,1\n")
    with pytest.raises(UserError, match=r"of use beside .* a is left out: all values are equal;"):
        table(settings, path)
    path.write_text("clicked,a\n0,1\n0,2\n")
    assert table(settings, path).left_out == {}


def test_a_wide_table_is_few_files(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as it has passes, and the same ids however many columns a pass takes."""
    path, width = tmp_path / "rows.csv", 100
    values = rng.integers(0, 3, (60, width)).astype(str)
    frame = pl.DataFrame(values, [f"c{i}" for i in range(width)])
    frame.insert_column(0, pl.Series("clicked", [0, 1] * 30)).write_csv(path)
    words = [f"data.path={path}", "split.fractions=[.6,.2,.2]"]
    whole = prepared(settings, *words)
    assert len(whole.schema.fields) == width and len(list(whole.folder.rglob("*"))) < 20
    monkeypatch.setattr(stages, "FIT_CELLS", 7 * 60)
    pieces = prepared(settings, *words, f"results={tmp_path}/pieces")
    assert len(list(pieces.folder.glob("vocabulary/*"))) == 15
    for part in ("train", "test"):
        np.testing.assert_array_equal(pieces.part(part).ids_NS, whole.part(part).ids_NS)
    rows = rows_of(table(settings, path))
    np.testing.assert_array_equal(pieces.encoder()(rows)[0], whole.encoder()(rows)[0])


CODES = "data.types=['*:category']"


@pytest.mark.parametrize("value", ["NAN", "-nan", "+NaN", "inf", "1e999"])
def test_numbers_that_are_not_finite(value: str, settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"clicked,a\n1,2\n0,{value}\n0,nan\n")
    with pytest.raises(UserError, match=r"line 3, column a: .* is not a finite number"):
        rows_of(table(settings, path, "data.types=[a:number]"))


def test_odd_headers_and_long_cells(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"clicked,a\r1,2\r")
    with pytest.raises(UserError, match="line 1: not a header"):
        table(settings, path).check()
    long = "x" * 200_000
    path.write_text(f'clicked,a\n1,"{long}"\n')
    assert rows_of(table(settings, path, CODES))["a"][0] == long


def test_a_quotation_mark_that_is_never_closed(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctrbench.data.sources import text

    path = tmp_path / "rows.csv"
    path.write_text('clicked,a\n1,5" disk\n' + "0,x\n" * 1000)
    monkeypatch.setattr(text, "UNCLOSED_BYTES", 1000)
    blocks = text.blocks
    with pytest.raises(UserError, match=r"from line 2 on: a quotation mark that is never closed"):
        list(blocks(path, 500, quoted=True))


def test_columns_of_other_kinds(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = FRAME.select(
        *("clicked", "city"),
        pl.col("city").cast(pl.Binary).alias("bytes"),
        (pl.col("seen") - pl.col("seen").min()).alias("duration"),
        pl.concat_list("stars", "stars").alias("list"),
        pl.struct("stars").alias("struct"),
        pl.concat_list(pl.concat_list("stars")).implode().over("clicked").alias("nested"),
    )
    frame.write_parquet(path)
    source = table(settings, path)
    assert [c.name for c in source.columns] == ["city", "list"]
    assert source.left_out == {
        "bytes": "values of type Binary are not used",
        "duration": "values of type Duration(time_unit='us') are not used",
        "struct": "values of type Struct({'stars': Int64}) are not used",
        "nested": "values of type List(List(Int64)) are not used",
    }
    codes = table(settings, path, "data.types=['*:category',list:multi]")
    assert [c.name for c in codes.columns] == ["city", "list"]
    with pytest.raises(UserError, match=r"types=bytes:category: .* Binary are not used; .*:skip"):
        table(settings, path, "data.types=[bytes:category]")
    with pytest.raises(UserError, match=r"data.types=list:category: .* declare list:multi"):
        rows_of(table(settings, path, "data.types=[list:category]"))
    FRAME.select("clicked", "seen", FRAME["stars"].alias("seen.hour")).write_parquet(path)
    with pytest.raises(UserError, match=r"seen.hour is made of a date and a column too"):
        table(settings, path).check()


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=5)
QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@hypothesis_settings(max_examples=100, **QUIET)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=20), size=st.integers(5, 60))
def test_any_cells_are_read_back(rows: list[tuple[str, ...]], size: int, tmp_path: Path) -> None:
    """Whatever stands in the cells, and wherever a block ends."""
    import csv

    from ctrbench.data.sources import cells, text

    path = tmp_path / "any.csv"
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    path.write_bytes(out.getvalue().encode())
    blocks = text.blocks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "blocks", lambda p, b=0, **k: blocks(p, b or size, **k))
        frames = [read().frame for _, read in cells_of(path, ",")]
    expected = [tuple(cell or None for cell in row) for row in rows]
    assert pl.concat(frames).rows() == expected


@hypothesis_settings(max_examples=200, **QUIET)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes, tmp_path: Path) -> None:
    for name in ("any.csv", "any.parquet", "any.csv.gz", "any.csv.zst", "any.csv.xz"):
        path = tmp_path / name
        path.write_bytes(data)
        try:
            names = header_of(path)
            for _, read in cells_of(path):
                assert read().frame.columns == names
        except UserError as error:
            assert "\n" not in str(error)
