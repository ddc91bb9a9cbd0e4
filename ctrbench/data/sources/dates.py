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
OFFSET = (  # from UTC, after a time of day
    r"(\d:\d{2}(?::\d{2}(?:\.\d+)?)?|T\d{4,6}(?:\.\d+)?) ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)( |$)"
)
ZONE = re.compile(r" ?%(?:[:#]{0,3}z|Z)")
UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # of Unix times, in a second
RECENT = (1_104_537_600, 2_000_000_000)  # 2005 to 2033, in Unix seconds
MOST_SECONDS = 2**63 / 1e9  # in nanoseconds they have 63 bits: until 2262
LAST_YEAR = 2262
LESS_COMMON = (
    *("%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y"),
    *("%d/%m/%y %H:%M", "%m/%d/%y %H:%M", "%d.%m.%y %H:%M", "%b %d, %Y", "%B %d, %Y"),
    *("%d-%b-%y", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S", "%a, %d %b %Y %H:%M:%S"),
)
SAMPLE = 100  # values that are looked at before all are


def to_dates(text: pl.Series, form: str | None) -> pl.Series:
    """Return text as dates and times of the wall clock that wrote them, null where it is none.

    An offset from UTC is dropped; Unix times are UTC. Values of another form than the declared one
    are read where they are unambiguous: ISO 8601, and if no value has the declared form, the one
    form that all of them have. Unix times are read in another unit if all are recent in that one.

    Args:
        form: as chrono's strftime writes it; of Unix times their unit (``s`` or ``%s``, ``ms``,
            ``us``, ``ns``); None for ISO 8601.
    """
    present = text.drop_nulls()
    unit = unix_unit(present) if unix_form_unit(form) is not None else None
    dates = _parse(text, unit or form)
    if form is not None:
        dates = dates.zip_with(dates.is_not_null(), _parse_iso(text))
    if present.is_empty() or dates.null_count() < len(text):
        return dates
    forms = [other for other in forms_of(present) if other != _swapped(form)]
    unit = unix_unit(present)
    if unit is not None or len(forms) == 1:
        return _parse(text, unit or forms[0])
    return dates


def is_too_late(dates: pl.Series) -> pl.Series:
    """Return which dates are beyond what a time in nanoseconds can be: years after 2262."""
    return (dates.dt.year() > LAST_YEAR).fill_null(False)


def unix_unit(text: pl.Series) -> str | None:
    """Return the unit by which all values are Unix times of recent years; None if there is none."""
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.has_nulls() or len(numbers) == 0 or like_dates(text):
        return None
    first, last = RECENT
    low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
    fitting = [unit for unit, n in UNITS.items() if first * n <= low and high < last * n]
    if fitting == ["ns"] and (text.cast(pl.Int64, strict=False) % 1000 != 0).any():
        return None  # sequential ids of 64 bits are as large, but no clock is as fine
    return fitting[0] if fitting else None


def unix_form_unit(form: str | None) -> str | None:
    """Return the unit of Unix times that a form stands for."""
    unit = "s" if form == "%s" else form
    return unit if unit in UNITS else None


def _parse(text: pl.Series, form: str | None) -> pl.Series:
    if form is None:
        return _parse_iso(text)
    if (unit := unix_form_unit(form)) is not None:
        return _parse_unix(text, UNITS[unit])
    if ZONE.search(form):
        text, form = text.str.replace(OFFSET, "$1$2"), ZONE.sub("", form)
    dates = _parse_form(text, form)
    return dates.zip_with(dates.is_not_null(), _parse_form(_strip_iso(text), form))


def _parse_iso(text: pl.Series) -> pl.Series:
    frame = _strip_iso(text).alias("x").to_frame()
    forms = [pl.col("x").str.to_datetime(f, strict=False, time_unit="us") for f in ISO_FORMS]
    return frame.select(pl.coalesce(forms)).to_series().alias(text.name)


def _parse_unix(text: pl.Series, per_second: int) -> pl.Series:
    whole, numbers = text.cast(pl.Int64, strict=False), text.cast(pl.Float64, strict=False)
    numbers = numbers.set(~((numbers / per_second).abs() < MOST_SECONDS).fill_null(False), None)
    microseconds = (numbers * (1e6 / per_second)).round().cast(pl.Int64)
    if per_second > 1_000_000:  # whole nanoseconds have more digits than a float
        exact = whole // (per_second // 1_000_000)
        microseconds = exact.zip_with(exact.is_not_null() & numbers.is_not_null(), microseconds)
    return microseconds.cast(pl.Datetime("us"))


def _swapped(form: str | None) -> str:
    """Return a form with day and month exchanged: what it reads contradicts the form."""
    exchanged = {"%d": "%m", "%m": "%d"}
    return re.sub("%[dm]", lambda match: exchanged[match[0]], form or "")


def _parse_form(text: pl.Series, form: str) -> pl.Series:
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
    """Return the forms that all values have: none, one (ISO 8601 is None), or two.

    Two are returned where no value tells the day from the month.

    Only forms with a year of four digits: with two, most codes of three numbers would be dates.
    """
    text = _strip_iso(text)
    if not text.head(SAMPLE).str.contains(NUMBERED).all():
        return []
    if not _parse_iso(text).has_nulls():
        return [None]
    parts = text.str.extract_groups(NUMBERED).struct.unnest()
    shapes = parts.select("2", "4", pl.col("6", "7", "8").is_null()).unique()
    if parts["1"].has_nulls() or len(shapes) > 1:
        return []
    first, second, *lacks = shapes.row(0)
    time = "" if lacks[0] else " %I:%M" if not lacks[2] else " %H:%M"
    time += ("" if lacks[1] else ":%S%.f") + ("" if lacks[2] else " %p")
    forms = [f"{order.format(first, second)}{time}" for order in _orders(parts)]
    return [form for form in forms if not _parse(text, form).has_nulls()]


def _orders(parts: pl.DataFrame) -> list[str]:
    """Return the orders of day, month and year that the widths of the groups allow."""
    if (parts["1"].str.len_chars() == 4).all():
        return ["%Y{}%m{}%d"]
    if not (parts["5"].str.len_chars() == 4).all():
        return []
    by_name = parts["3"].str.contains("[A-Za-z]").all()
    return ["%d{}%B{}%Y"] if by_name else ["%d{}%m{}%Y", "%m{}%d{}%Y"]


def like_dates(text: pl.Series) -> bool:
    """Return whether all values look like dates, of whatever form."""
    return all(part.str.contains(LIKE_DATES).all() for part in (text.head(SAMPLE), text))


def likely_form(text: pl.Series) -> str | None:
    """Return the first of the less common forms that all values have."""
    for form in LESS_COMMON:
        dates = _parse_form(text, form)
        if not dates.has_nulls() and ((1900 < dates.dt.year()) & (dates.dt.year() < 2100)).all():
            return form
    return None


def _strip_iso(text: pl.Series) -> pl.Series:
    """Remove ISO 8601's letters and the offset from UTC."""
    return text.str.replace(OFFSET, "$1$2").str.replace(r"^(\S+)T(\d)", "$1 $2")
