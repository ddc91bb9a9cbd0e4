"""Text files as other tools write them: quotation marks, separators, headers, blank lines."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from data.sources.tables import CODES, rows_of, table
from support import Compose

from ctrbench.data.schema import LABEL
from ctrbench.data.sources import cells, quotes
from ctrbench.data.sources.cells import read_cells, read_header
from ctrbench.data.sources.layout import TextOptions
from ctrbench.data.sources.table import Table
from ctrbench.errors import UserError


def read(path: Path, data: bytes | str, **options: Any) -> list[tuple[Any, ...]]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return pl.concat(r().frame for _, r in read_cells(path, TextOptions(**options))).rows()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have files read in blocks of few bytes, and never more lines looked at."""

    def use(size: int) -> None:
        monkeypatch.setattr(cells, "BLOCK_BYTES", size)
        monkeypatch.setattr(quotes, "LOOK_AHEAD_BYTES", 0)

    return use


def unquoted(rows: int, marks: dict[int, str]) -> str:
    lines = [f"{i % 2}\t{marks.get(i, f'title {i}')}\t{i}" for i in range(rows)]
    return "\n".join(["clicked\ttitle\tn", *lines]) + "\n"


MARKS = {
    "a pair of cells": {10: '"two', 60: 'cells"'},
    "one opening": {10: '"two'},
    "the last row": {399: '"two'},
    "an inch": {10: '5" disk'},
    "many": {i: '"' for i in range(0, 400, 7)},
}


@pytest.mark.parametrize("size", [0, 500])
@pytest.mark.parametrize("name", MARKS)
def test_marks_of_a_file_without_quotations(
    name: str, size: int, path: Path, small_blocks: Any
) -> None:
    """Every line is a row, in a small file and in one of many blocks."""
    if size:
        small_blocks(size)
    marks = MARKS[name]
    rows = read(path, unquoted(400, marks))
    assert [row[2] for row in rows] == [str(i) for i in range(400)]
    assert {i: rows[i][1] for i in marks} == marks
    assert read(path, unquoted(400, marks), quote="none") == rows


def test_swallowed_rows_are_refused_in_later_blocks(path: Path, small_blocks: Any) -> None:
    """Where quotations were seen before; declared to be cells, they are."""
    small_blocks(2000)
    text = "clicked,a\n" + '1,"x, y"\n' * 400 + '0,"z\n1,z\n0,z"\n'
    with pytest.raises(UserError, match=r"line 402: a quotation begins .* data.quote=none"):
        read(path, text)
    rows = read(path, text, quote="double")
    assert len(rows) == 401 and rows[-1] == ("0", "z\n1,z\n0,z")
    with pytest.raises(UserError, match="line 2: 3 columns, expected 2"):
        read(path, text, quote="none")


@pytest.mark.parametrize("size", [7, 40, 1 << 20])
@pytest.mark.parametrize("style", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_quotations_of_every_style(size: int, style: Any, path: Path, small_blocks: Any) -> None:
    small_blocks(size)
    draw = random.Random(0)
    texts = ["plain", "a, b", 'the "big" one', "two\nlines", '5" disk', "", '"', "\n\n,"]
    rows = [(i, draw.choice(texts), draw.choice(texts), "z") for i in range(60)]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=style, lineterminator="\r\n").writerows([("i", "a", "b", "c"), *rows])
    assert read(path, out.getvalue()) == [(str(i), a or None, b or None, c) for i, a, b, c in rows]


def test_no_rows_before_a_mistake(path: Path) -> None:
    """Rows of a block with a quotation that does not end are not handed out."""
    path.write_text('clicked,a\n1,"x, y"\n0,"z\n1,z\n')
    with pytest.raises(UserError, match=r"line 3: a quotation mark .* data.quote=none"):
        next(read_cells(path))


def test_predict_on_a_file_like_the_training_file(settings: Compose, path: Path) -> None:
    """What was inferred from the marks of the training file holds for every other file."""
    path.write_text(unquoted(400, MARKS["a pair of cells"]))
    resolved = table(settings, path, CODES).resolved()
    assert resolved.quote == "none"
    path.write_text('clicked\ttitle\tn\n1\t"two\t3\n1\t"two"\t3\n')
    (piece,) = Table(resolved).slices_of(path)
    assert piece.read()["title"].to_list() == ['"two', '"two"']


SAME = [("1", "x", "2"), ("0", None, "3")]
LAYOUTS = {
    "blank last line": "l,a,b\n1,x,2\n0,,3\n\n",
    "blank last lines": "l,a,b\r\n1,x,2\r\n0,,3\r\n\r\n  \r\n",
    "trailing separator": "l,a,b,\n1,x,2,\n0,,3,\n",
    "trailing separator of rows": "l,a,b\n1,x,2,\n0,,3,\n",
    "trailing tab": "l\ta\tb\t\n1\tx\t2\t\n0\t\t3\t\n",
    "comma and space": "l, a, b\n1, x, 2\n0, , 3\n",
    "comma and space, quoted": 'l, a, b\n1, "x", 2\n0, "", 3\n',
    "byte order mark": "\ufeffl,a,b\n1,x,2\n0,,3\n",
    "byte order mark, quoted": '\ufeff"l","a","b"\n"1","x","2"\n"0","","3"\n',
    "semicolons": "l;a;b\n1;x;2\n0;;3",
}


@pytest.mark.parametrize("size", [4, 1 << 20])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_the_same_rows(name: str, size: int, path: Path, small_blocks: Any) -> None:
    small_blocks(size)
    assert read(path, LAYOUTS[name]) == SAME
    assert read_header(path) == ["l", "a", "b"]


def test_declared_separators(path: Path) -> None:
    assert read(path, LAYOUTS["comma and space"], separator=", ") == SAME
    assert read(path, LAYOUTS["trailing tab"], separator="\\t") == SAME
    assert read(path, 'l, a\n1, "x, y"\n', separator=", ") == [("1", "x, y")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("l,a\n1,x\n\n0,y\n", "line 3: 1 columns, expected 2"),
        ("l,a,\n1,x,\n0,y,z\n", "line 3: 'z' in the last column, which has no name"),
        ("l,a,\n1,x,\n0,y\n", "line 3: 2 columns, expected 3"),
        ("l,a\n1,x\na,l\n", "line 3: the columns' names"),
        ("l,a\n1,x\nl , a\n", "line 3: the columns' names"),
        ('"l","a"\n"1","x"\n"l","a"\n', "line 3: the columns' names"),
        ("\ufeffl,a\n1,x\n\ufeffl,a\n", "line 3: the columns' names"),
        ('l,"a\nb"\n1,x\n0\n', "line 4: 1 columns, expected 2"),
        ("l,a\n1,x\ry\n0,z", None),
    ],
)
def test_lines_that_are_no_rows(data: str, message: str | None, path: Path) -> None:
    if message is None:
        assert len(read(path, data)) == 2
        return
    with pytest.raises(UserError, match=message):
        read(path, data)


def test_labels_named_like_a_value(settings: Compose, path: Path) -> None:
    """The name of the label is a label itself: a second header would be a click."""
    path.write_text("y,a\ny,1\nn,2\ny,a\nn,3\n")
    with pytest.raises(UserError, match="line 4: the columns' names"):
        rows_of(table(settings, path, "data.label=y"))
    path.write_text("y,t\ny,1\nn,2\ny,4\nn,3\n")
    assert rows_of(table(settings, path, "data.label=y"))[LABEL].to_list() == [1, 0, 1, 0]


def test_a_line_break_within_a_name(path: Path) -> None:
    assert read(path, 'l,"a\nb"\n1,x\n') == [("1", "x")]
    assert read_header(path) == ["l", "a b"]


ROWS = [("1", "x", "2"), ("0", None, "3"), ("0", "x", "5")]
HEADLESS = "1,x,2\n0,,3\n0,x,5\n"


def test_a_file_without_a_header(settings: Compose, path: Path) -> None:
    assert read(path, HEADLESS, header=("l", "a", "b")) == ROWS
    assert read_header(path, TextOptions(header=())) == ["column_1", "column_2", "column_3"]
    assert read(path, HEADLESS, header=()) == ROWS
    for header, label in {"[clicked,a,b]": "clicked", "none": "column_1"}.items():
        source = table(settings, path, f"data.header={header}", f"data.label={label}")
        assert rows_of(source)[LABEL].to_list() == [1, 0, 0]
    path.write_text("x,2\n")
    resolved = table(settings, write(path, HEADLESS), "data.header=[clicked,a,b]", CODES).resolved()
    (piece,) = Table(resolved).slices_of(write(path.with_name("other.csv"), "x,2\n"))
    assert piece.read().rows() == [("x", "2")]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "word", "message"),
    [
        (HEADLESS, "data.label=clicked", "has it a header"),
        ("1,1,2\n0,1,3\n", "data.label=clicked", "has it a header"),
        ("1,,2\n0,1,3\n", "data.label=clicked", "has it a header"),
        (HEADLESS, "data.label=1", "has it a header"),
        (HEADLESS, "data.header=[clicked,a]", "3 columns, but data.header names 2"),
        (HEADLESS, "data.header=[a,b,c]", "data.label=clicked: .* no such column"),
        ("clicked,a,b\n1,2,3\n", "data.header=[clicked,a,b]", "line 1: the columns' names"),
        (HEADLESS, "data.header=[a,a,b]", "data.header="),
        (HEADLESS, "data.header=some", "data.header="),
        (HEADLESS, "data.quote=single", "data.quote=single: not known"),
    ],
)
def test_headers_that_are_none(
    text: str, word: str, message: str, settings: Compose, path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(table(settings, write(path, text), word))
