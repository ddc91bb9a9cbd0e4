"""A table written in any way that CSV and Parquet allow gives the same rows."""

import bz2
import datetime as dt
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Compose, settings_in

from ctrbench.data.schema import clicks
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.table import Table

NAMES = ("clicked", "code", "flag", "text", "amount", "day", "moment", "tags")
TYPES = "code:category,flag:category,text:category,amount:number,day:day,moment:date,tags:multi"
WORDS = st.text(st.sampled_from("ab1é東\"',;|\t\n"), min_size=1, max_size=4).filter(
    lambda text: text == text.strip()
)
ROW = st.tuples(
    st.booleans(),
    st.none() | st.integers(-3, 300),
    st.none() | st.booleans(),
    st.none() | WORDS,
    st.none() | st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    st.none() | st.dates(dt.date(1970, 1, 2), dt.date(2200, 1, 1)),
    st.none() | st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2200, 1, 1)),
    st.lists(st.sampled_from(["a", "b", "7"]), min_size=1, max_size=3),
)
Form = Callable[[pl.Expr], pl.Expr]


def to(kind: Any) -> Form:
    return lambda column: column.cast(kind)


def text(form: str) -> Form:
    """Whole numbers as text."""
    return lambda column: pl.format(form, column)


def moments(form: str) -> Form:
    return lambda column: column.dt.strftime(form)


INTEGERS = [to(kind) for kind in (pl.Int16, pl.Int64, pl.Int128, pl.Float32, pl.Float64)]
WHOLE: list[Form] = [*INTEGERS, to(pl.Decimal(10, 2)), to(pl.String), text("{}.0"), text("{}.00")]
BYTES: list[Form] = [lambda column: column.cast(pl.String).cast(pl.Binary)]
NAMED: list[Form] = [lambda column: column.cast(pl.String).cast(pl.Categorical)]
BOOLEAN: list[Form] = [
    to(pl.Boolean),
    to(pl.Int8),
    lambda column: column.cast(pl.String).str.to_titlecase(),
    lambda column: column.cast(pl.String).str.to_uppercase(),
]
FORMS: dict[str, list[Form]] = {
    "clicked": [*BOOLEAN, *[lambda c, f=f: f(c.cast(pl.Int8)) for f in (*WHOLE, *BYTES)]],
    "code": [*WHOLE, *BYTES, *NAMED],
    "flag": [*BOOLEAN, *[lambda c, f=f: f(c.cast(pl.Int8)) for f in (*WHOLE, *BYTES, *NAMED)]],
    "text": [to(pl.String), *BYTES, *NAMED],
    "amount": [to(pl.Float64), to(pl.String), to(pl.Decimal(20, 5)), *BYTES],
    "day": [to(pl.Date), to(pl.Datetime("ms")), to(pl.String), *BYTES],
    "moment": [
        *(to(pl.Datetime(unit)) for unit in ("ms", "us", "ns")),  # type: ignore[arg-type]
        *(moments(form) for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f")),
    ],
    "tags": [to(pl.List(pl.String)), to(pl.List(pl.Binary)), to(pl.List(pl.Categorical))],
}
LINE_ENDS = {"whole": 1, "cut off": 0, "with blank lines": 3}  # at the end of a file


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("written.csv", data)
    return packed.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".zip": zipped,
}


@st.composite
def writings(draw: st.DrawFn) -> tuple[dict[str, Form], dict[str, Any]]:
    """The form of every column, and how a file of them is written."""
    forms = {name: draw(st.sampled_from(FORMS[name])) for name in NAMES}
    how = {
        "kind": draw(st.sampled_from(["csv", "parquet"])),
        "separator": draw(st.sampled_from(",;\t|")),
        "line_terminator": draw(st.sampled_from(["\n", "\r\n"])),
        "quote_style": draw(st.sampled_from(["necessary", "always", "non_numeric"])),
        "mark": draw(st.sampled_from([b"", b"\xef\xbb\xbf"])),
        "end": draw(st.sampled_from(list(LINE_ENDS))),
        "pack": draw(st.sampled_from(list(PACKED))),
        "order": draw(st.permutations(NAMES)),
        "compression": draw(st.sampled_from(["uncompressed", "snappy", "gzip", "zstd", "lz4"])),
        "pages": draw(st.sampled_from([None, 1])),
    }
    return forms, how


def write(
    folder: Path, frame: pl.DataFrame, writing: tuple[dict[str, Form], dict[str, Any]]
) -> Path:
    forms, how = writing[0], dict(writing[1])
    kind, mark, end, pack, order, compression, pages = (
        how.pop(key) for key in ("kind", "mark", "end", "pack", "order", "compression", "pages")
    )
    written = frame.select(forms[name](pl.col(name)).alias(name) for name in order)
    if kind == "parquet":
        path = folder / "written.parquet"
        written.write_parquet(path, row_group_size=2, compression=compression, data_page_size=pages)
        return path
    tags = pl.col("tags").cast(pl.List(pl.String)).list.join("/")
    text = written.with_columns(pl.col(pl.Binary).cast(pl.String), tags).write_csv(**how)
    line_end = how["line_terminator"]
    text = text.removesuffix(line_end) + LINE_ENDS[end] * line_end
    path = folder / f"written.csv{pack}"
    path.write_bytes(PACKED[pack](mark + text.encode()))
    return path


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Compose:
    return settings_in(tmp_path_factory.mktemp("settings"))


@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(ROW, min_size=1, max_size=6), writing=writings())
def test_any_writing_gives_the_same_rows(
    rows: list[Any],
    writing: tuple[dict[str, Form], dict[str, Any]],
    compose: Compose,
    tmp_path: Path,
) -> None:
    kinds = [
        pl.Boolean,
        pl.Int64,
        pl.Boolean,
        pl.String,
        pl.Float64,
        pl.Date,
        pl.Datetime("us"),
        pl.List(pl.String),
    ]
    frame = pl.DataFrame(rows, schema=dict(zip(NAMES, kinds, strict=True)), orient="row")
    frame = frame.with_columns(pl.col("moment").dt.truncate("1s"))
    path = write(tmp_path, frame, writing)
    types = [f"data.types=[{TYPES}]", "data.values_separator=/"]
    separator = f"data.separator='{writing[1]['separator']}'"
    own = compose(
        "model=lr", "data=table", f"data.path={path}", "data.label=clicked", *types, separator
    ).data
    source = open_source(own)
    assert isinstance(source, Table)
    found = pl.concat([piece.read() for piece in source.slices()])
    assert clicks(found).tolist() == [int(row[0]) for row in rows]
    expected = {
        "code": [None if x is None else str(x) for x in frame["code"]],
        "flag": [None if x is None else str(int(x)) for x in frame["flag"]],
        "text": frame["text"].to_list(),
        "amount": frame["amount"].to_list(),
        "day.weekday": frame["day"].dt.weekday().to_list(),
        "moment.hour": frame["moment"].dt.hour().to_list(),
        "moment.weekday": frame["moment"].dt.weekday().to_list(),
        "tags": frame["tags"].to_list(),
    }
    assert {name: found[name].to_list() for name in expected} == expected
