"""Dates in tables: the forms that are found, asked for, declared."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from data.sources.tables import FRAME, column, prepared, rows_of, table
from support import Compose

from ctrbench.data.sources.table import Table
from ctrbench.errors import UserError

HOURS = ["%F %I:%M %p", "%F %l:%M %p", "%F %-H:%M", "%F %k:%M", "%F %k", "%D %r", "%c"]


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


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y%m%d", "%d/%b/%Y", "%d.%m.%Y %H", "%F %T", *HOURS])
def test_forms_of_dates(form: str, settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    days = FRAME["seen"].dt.truncate("1h")
    pl.DataFrame({"clicked": FRAME["clicked"], "d": days.dt.strftime(form)}).write_csv(path)
    type_ = "date" if form in HOURS or "%H" in form or "%T" in form else "day"
    rows = rows_of(table(settings, path, f"data.types=['d:{type_}:{form}']"))
    assert rows["d.weekday"].to_list() == days.dt.weekday().to_list()
    if type_ == "date":
        assert rows["d.hour"].to_list() == days.dt.hour().to_list()


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S", "%Y%m%dT%H%M%SZ", "%Y-%m-%d %H:%M:%S"])
def test_declared_forms_with_the_letters_of_iso(
    form: str, settings: Compose, tmp_path: Path
) -> None:
    """And a form without them, of values that have them."""
    written = form if "T" in form else "%Y-%m-%dT%H:%M:%SZ"
    values = TIMES.dt.strftime(written).to_list()
    rows = rows_of(column(settings, tmp_path, values, f"data.types=['x:date:{form}']"))
    assert rows["x.hour"].to_list() == TIMES.dt.hour().to_list()
    assert rows["x.weekday"].to_list() == TIMES.dt.weekday().to_list()


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
    forms = [r"x:date:%d/%m/%Y %H:%M", r"x:date:%m/%d/%Y %H:%M"]
    choices = " or ".join(rf"\S*data.types=\[\S?{form}\S?\]\S?" for form in forms)
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
}


@pytest.mark.parametrize("name", LIKE)
def test_other_forms_of_dates_are_hinted_at(name: str, settings: Compose, tmp_path: Path) -> None:
    source = column(settings, tmp_path, LIKE[name] * 30)
    assert str(source.types["x"]) == "category"
    assert source.doubts["x"].startswith("dates? ")


@pytest.mark.parametrize("value", ["10.0.0.1", "1.2.3", "12-b", "31.7", "may be", "20179999"])
def test_what_is_no_date_is_not_taken_for_one(
    value: str, settings: Compose, tmp_path: Path
) -> None:
    source = column(settings, tmp_path, [value, value[:-1] + "0"] * 30)
    assert str(source.types["x"]) == ("number" if value == "31.7" else "category")
    assert source.doubts == {}
