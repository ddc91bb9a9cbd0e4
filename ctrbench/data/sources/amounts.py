"""Numbers as people write them, what stands where one is missing, and hints to declare both."""

import polars as pl

from ctrbench.data.sources.spelling import as_codes
from ctrbench.quoting import list_override

# What stands for a missing number or date: what pandas takes for missing, in lower case, and more.
MARKERS = [
    *("", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>"),
    *("n/a", "na", "nan", "none", "null"),
    *("nat", "\\n"),  # of pandas' times; of MySQL
]
ZERO_DATE = r"^0000-00-00(?:[T ]00:00:00(?:\.0*)?)?$"  # of MySQL
FORMS = ("point", "comma")
CODES = (
    "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|IDR|INR|JPY|KRW|MXN|NOK|PLN|RMB|RUB|SEK|SGD|THB"
    "|TRY|TWD|USD|ZAR"
)
UNIT = rf"(?:[A-Z]{{0,3}}\p{{Sc}}|(?:{CODES})|kr\.?|zł|Rs\.?|Fr\.?|%)"
SPACES = " '\u2019\u00a0\u202f\u2009"
MINUS = "-\u2212"
THOUSANDS = {"point": f"[,{SPACES}]", "comma": rf"[.{SPACES}]"}
DECIMALS = {"point": r"\.", "comma": ","}
FEW_OTHERS = 3  # distinct values that are no numbers
FEW_NUMBERS = 20  # rows of numbers below which other values are not named


def is_missing(text: pl.Series) -> pl.Series:
    """Return where a number or a date is missing, of stripped text."""
    return text.is_null() | text.str.to_lowercase().is_in(MARKERS)


def is_zero_date(text: pl.Series) -> pl.Series:
    """Return where a date is one of MySQL's zero dates, which stand for a missing one."""
    return text.str.contains(ZERO_DATE)


def to_numbers(text: pl.Series, form: str | None) -> pl.Series:
    """Return stripped text as numbers, null where it is none.

    Args:
        form: ``point`` or ``comma``, the mark before decimals, of amounts with currencies, percent
            signs (hundredths) and thousands separators; None for plain numbers.
    """
    plain = as_codes(text).cast(pl.Float64, strict=False)
    if form is None:
        return plain
    amount = text.str.extract(_pattern(form), 0)
    is_negative = amount.str.contains(f"[{MINUS}(]")
    digits = amount.str.replace_all(UNIT, "").str.replace_all(
        rf"{THOUSANDS[form]}|[{MINUS}+()]", ""
    )
    numbers = digits.str.replace(DECIMALS[form], ".").cast(pl.Float64, strict=False)
    signs = is_negative.cast(pl.Float64) * -2 + 1
    numbers = numbers * signs / (amount.str.contains("%").cast(pl.Float64) * 99 + 1)
    return numbers.zip_with(numbers.is_not_null(), plain)


def _pattern(form: str) -> str:
    group, point, sign = THOUSANDS[form], DECIMALS[form], f"[{MINUS}+]?"
    number = rf"(?:\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|\d+)(?:{point}\d*)?|{point}\d+"
    amount = rf"{sign}(?:{UNIT}\s?)?{sign}(?:{number})(?:\s?{UNIT})?"
    return rf"^(?:{amount}|\({amount}\))$"


def amount_forms(text: pl.Series) -> list[str]:
    """Return the forms by which all values are numbers: none, one, or two that differ."""
    values = {form: to_numbers(text, form) for form in FORMS}
    fitting = [form for form in FORMS if not values[form].has_nulls()]
    if len(fitting) == len(FORMS) and values["point"].equals(values["comma"]):
        return fitting[:1]
    return fitting


def amount_hint(present: pl.Series) -> str:
    """Return how to declare amounts with units or separators, and what they look like; an empty
    text where the values are none."""
    if not (forms := amount_forms(present)):
        return ""
    plain = present.cast(pl.Float64, strict=False)
    example = str(present.filter(plain.is_null())[0])
    choices = [list_override("data.types", [f"{present.name}:number:{form}"]) for form in forms]
    if len(forms) > 1:
        numbers = [to_numbers(pl.Series([example]), form)[0] for form in forms]
        choices = [f"{c} ({n:g})" for c, n in zip(choices, numbers, strict=True)]
    return f"amounts as {example!r}? {' or '.join(choices)}"


def others_hint(present: pl.Series, is_other: pl.Series, kind: str) -> str:
    """Return which few values keep a column from being one of numbers or dates, and how to declare
    them missing; an empty text where they are many."""
    others = present.filter(is_other)
    rows = len(present) - len(others)
    distinct = others.n_unique()
    if not 0 < distinct <= FEW_OTHERS or rows < max(FEW_NUMBERS, len(others) // 4):
        return ""
    counts = others.value_counts(sort=True).rows()
    named = [f"{value!r} ({n:,} {'row' if n == 1 else 'rows'})" for value, n in sorted(counts)]
    declared = list_override("data.missing", sorted(value for value, _ in counts))
    return f"{kind} but for {', '.join(named)}; if missing: {declared}"
