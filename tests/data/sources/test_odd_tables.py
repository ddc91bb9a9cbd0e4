"""Tables that are odd or wrong: what is read all the same, what is refused."""

import io
from pathlib import Path

import polars as pl
import pytest
from data.sources.tables import CODES, FRAME, prepared, rows_of, table, write
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Compose

from ctrbench.data.sources.cells import read_cells, read_header
from ctrbench.data.sources.layout import TextOptions, layout_of
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.table import Table
from ctrbench.errors import UserError

BAD = {
    "no label": (b"a,b\n1,2\n", "data.label=clicked: FILE has no such column; known here: a, b"),
    "short row": (b"clicked,a,b\n1,2,3\n0,1\n", "FILE, line 3: 2 columns, expected 3"),
    "long quoted row": (b'clicked,a\n1,"x"\n0,"y",3\n', "FILE, line 3: 3 columns, expected 2"),
    "open quote": (b'clicked,a\n1,"x, y"\n1,"x\n0,1\n', "FILE, line 3: a quotation mark"),
    "open quote in the header": (b'clicked,"a\n1,2\n', "FILE, line 1: not a header"),
    "text behind a quotation": (b'clicked,a\n1,"x, y"\n1,"x"y\n', "FILE, line 3: a quotation mark"),
    "the header again": (
        b"clicked,a\n1,x\n0,z\nclicked,a\n1,y\n",
        "FILE, line 4: the columns' names",
    ),
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
        "seen:day": r"line 4, column seen: 'soon' is not a date .*missing=\[soon\].*seen:category",
    }.items():
        with pytest.raises(UserError, match=message):
            rows_of(table(settings, path, f"data.types=[{types},'*:category']"))


def test_bad_declarations(settings: Compose, tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    with pytest.raises(UserError, match=r"data.types=price:numbr: .* did you mean number"):
        table(settings, path, "data.types=[price:numbr]").check()
    for twice in ("price:number,price:category", "price:number,price:number"):
        with pytest.raises(UserError, match=r"data.types=price:.*: price stands in it twice"):
            table(settings, path, f"data.types=[{twice}]").check()
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


def test_the_first_column_that_lacks_is_named(settings: Compose, tmp_path: Path) -> None:
    """Of several, in the file's order."""
    names, part = [f"c{i}" for i in range(40)], {}
    frame = pl.DataFrame({"clicked": [0, 1]}).with_columns(pl.lit("x").alias(n) for n in names)
    for name, rows in {"train": frame, "valid": frame[:1], "test": frame.drop(names[3:])}.items():
        part[name] = tmp_path / f"{name}.csv"
        rows.write_csv(part[name])
    words = ["data=table", "data.label=clicked", CODES]
    with pytest.raises(UserError, match=r"test.csv: its columns differ .*: only one has c3$"):
        open_source(settings(*words, *(f"data.{n}={path}" for n, path in part.items())).data)
    source = table(settings, part["train"], CODES)
    with pytest.raises(UserError, match=r"test.csv: no column c3; "):
        next(source.slices_of(part["test"]))
    types = ",".join(f"no{i}:number" for i in range(40))
    with pytest.raises(UserError, match=r"data.types=no0: .* no such column"):
        table(settings, part["train"], f"data.types=[{types}]")


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


@pytest.mark.parametrize("value", ["+NaN", "inf", "1e999"])
def test_numbers_that_are_not_finite(value: str, settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"clicked,a\n1,2\n0,{value}\n0,nan\n")
    with pytest.raises(UserError, match=r"line 3, column a: .* is not a finite number"):
        rows_of(table(settings, path, "data.types=[a:number]"))


def test_odd_headers_and_long_cells(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"clicked,a\r1,2\r")
    with pytest.raises(UserError, match="carriage returns alone"):
        table(settings, path).check()
    long = "x" * 200_000
    path.write_text(f'clicked,a\n1,"{long}"\n')
    assert rows_of(table(settings, path, CODES))["a"][0] == long


def test_a_quotation_mark_that_is_never_closed(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctrbench.data.sources import quotes

    path = tmp_path / "rows.csv"
    path.write_text('clicked,a\n1,"5"" disk"\n1,"x\n' + "0,x\n" * 1000)
    monkeypatch.setattr(quotes, "UNCLOSED_BYTES", 1000)
    with pytest.raises(UserError, match=r"line 3: a quotation mark that is never closed"):
        list(quotes.rows_of_lines(path, layout_of(path, TextOptions()).quoting, 500, first_line=2))


def test_columns_of_other_kinds(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = FRAME.select(
        *("clicked", "city"),
        pl.lit(b"\xff").alias("bytes"),
        (pl.col("seen") - pl.col("seen").min()).alias("duration"),
        pl.concat_list("stars", "stars").alias("list"),
        pl.struct("stars").alias("struct"),
        pl.concat_list(pl.concat_list("stars")).implode().over("clicked").alias("nested"),
    )
    frame.write_parquet(path)
    source = table(settings, path)
    assert [c.name for c in source.columns] == ["city", "list"]
    assert source.left_out == {
        "bytes": "bytes that are not UTF-8 text are not used",
        "duration": "values of type Duration(time_unit='us') are not used",
        "struct": "values of type Struct({'stars': Int64}) are not used",
        "nested": "values of type List(List(Int64)) are not used",
    }
    codes = table(settings, path, "data.types=['*:category',list:multi]")
    assert [c.name for c in codes.columns] == ["city", "list"]
    with pytest.raises(
        UserError, match=r"types=bytes:category: .* bytes that .* are not used; .*:skip"
    ):
        table(settings, path, "data.types=[bytes:category]")
    with pytest.raises(UserError, match=r"column list: .*list:multi"):
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

    from ctrbench.data.sources import quotes, text

    path = tmp_path / "any.csv"
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    path.write_bytes(out.getvalue().encode())
    blocks = text.blocks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quotes, "blocks", lambda p, b=0, **k: blocks(p, size, **k))
        frames = [read().frame for _, read in read_cells(path, TextOptions(","))]
    expected = [tuple(cell or None for cell in row) for row in rows]
    assert pl.concat(frames).rows() == expected


@hypothesis_settings(max_examples=200, **QUIET)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes, tmp_path: Path) -> None:
    for name in ("any.csv", "any.parquet", "any.csv.gz", "any.csv.zst", "any.csv.xz"):
        path = tmp_path / name
        path.write_bytes(data)
        try:
            names = read_header(path)
            for _, read in read_cells(path):
                assert read().frame.columns == names
        except UserError as error:
            assert "\n" not in str(error)
