"""Dates as text: the forms they come in, inferred from their values, or declared."""

import re

import polars as pl

from ctrbench.errors import UserError

ISO_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f")
# Day, month (perhaps by name) and year in some order, and a time of day.
NUMBERED = (
    r"^(\d{1,4})([-/. ])(\d{1,2}|[A-Za-z]{3,9})([-/. ])(\d{1,4})"
    r"(?: (\d{1,2}:\d{2})(:\d{2}(?:\.\d+)?)?( [AaPp][Mm])?)?$"
)
MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# What may be dates of yet another form: digits alone, a year of two digits, a month's name.
LIKE_DATES = (
    r"^(?:19|20)\d\d[-/.]?(?:0[1-9]|1[0-2])[-/.]?(?:0[1-9]|[12]\d|3[01])(?:\D.*|(?:\d\d){0,3})$"
    r"|^\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)?\d\d(?:\D.*)?$"
    rf"|(?i)^(?:[a-z]{{3,9}},? )?(?:\d{{1,2}}[-/ ])?(?:{MONTHS})[a-z]*[-/ ,.].*\d"
)
SAMPLE = 100  # values that are looked at before all are


def to_dates(text: pl.Series, form: str | None) -> pl.Series:
    """Text as dates and times, null where it is none.

    Args:
        form: as chrono's strftime writes it; None for ISO 8601.

    Raises:
        UserError: for what is no form of dates.
    """
    if form is None:
        frame = _plain(text).alias("x").to_frame()
        forms = [pl.col("x").str.to_datetime(f, strict=False) for f in ISO_FORMS]
        return frame.select(pl.coalesce(forms)).to_series()
    dates = _of_form(text, form)
    return dates.zip_with(dates.is_not_null(), _of_form(_plain(text), form))


def _of_form(text: pl.Series, form: str) -> pl.Series:
    if re.search("%[-_0]?[HIkl]", form) and not re.search("%([-_0]?M|[RTrXc+])", form):
        text, form = text + ":00", f"{form}:%M"  # the parser takes no hour without minutes
    has_time = re.search("%([-_0]?[HIkl]|[RTrXcs+])", form) is not None
    try:
        if has_time:
            return text.str.to_datetime(form, strict=False, time_unit="us")
        return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    except pl.exceptions.PolarsError:
        raise UserError(
            f"data.types={text.name}:date:{form}: not a form of dates; see chrono's strftime"
        ) from None


def forms_of(text: pl.Series) -> list[str | None]:
    """The forms that all values have: none, one (ISO 8601 is None), or two where no value tells
    the day from the month.

    Only forms with a year of four digits: with two, most codes of three numbers would be dates.
    """
    text = _plain(text)
    if not text.head(SAMPLE).str.contains(NUMBERED).all():
        return []
    if not to_dates(text, None).has_nulls():
        return [None]
    parts = text.str.extract_groups(NUMBERED).struct.unnest()
    shapes = parts.select("2", "4", pl.col("6", "7", "8").is_null()).unique()
    if parts["1"].has_nulls() or len(shapes) > 1:
        return []
    first, second, *lacks = shapes.row(0)
    time = "" if lacks[0] else " %I:%M" if not lacks[2] else " %H:%M"
    time += ("" if lacks[1] else ":%S%.f") + ("" if lacks[2] else " %p")
    forms = [f"{order.format(first, second)}{time}" for order in _orders(parts)]
    return [form for form in forms if not to_dates(text, form).has_nulls()]


def _orders(parts: pl.DataFrame) -> list[str]:
    """The orders of day, month and year that the widths of the groups allow."""
    if (parts["1"].str.len_chars() == 4).all():
        return ["%Y{}%m{}%d"]
    if not (parts["5"].str.len_chars() == 4).all():
        return []
    by_name = parts["3"].str.contains("[A-Za-z]").all()
    return ["%d{}%B{}%Y"] if by_name else ["%d{}%m{}%Y", "%m{}%d{}%Y"]


def like_dates(text: pl.Series) -> bool:
    """Whether all values look like dates, of whatever form."""
    return all(part.str.contains(LIKE_DATES).all() for part in (text.head(SAMPLE), text))


def _plain(text: pl.Series) -> pl.Series:
    """Without ISO's letters."""
    return text.str.replace(r"^(\S+)T(\d)", "$1 $2").str.replace(r"Z$", "")
