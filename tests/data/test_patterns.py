"""Patterns of names in data.types, data.encodings and data.exclude."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support import Compose, ctrbench, store_of

from ctrbench.data.patterns import resolve_patterns
from ctrbench.data.sources.registry import open_source
from ctrbench.data.sources.table import Table
from ctrbench.errors import UserError
from ctrbench.runs.plan import RunPlan

rng = np.random.default_rng(0)
NAMES = ["C1", "C2", "C10", "price", "price_old", "a*b", "seen"]
FRAME = pl.DataFrame(
    {
        "clicked": rng.integers(2, size=300),
        **{name: rng.integers(0, 9, 300) for name in NAMES[:-1]},
        "seen": [f"2024-05-{1 + i % 20:02} 0{i % 3}:10:00" for i in range(300)],
    }
)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    FRAME.write_csv(tmp_path / "rows.csv")
    return ["data=table", f"data.path={tmp_path}/rows.csv", "data.label=clicked"]


DECLARED: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "a pattern": ({"C*": 1}, {"C1": 1, "C2": 1, "C10": 1}),
    "a name before patterns": ({"C*": 1, "C2": 2}, {"C1": 1, "C2": 2, "C10": 1}),
    "a longer pattern": ({"C*": 1, "C1*": 2}, {"C1": 2, "C2": 1, "C10": 2}),
    "in the middle": ({"p*_old": 1}, {"price_old": 1}),
    "a star is a character too": ({"a*b": 1}, {"a*b": 1}),
    "others stay": ({"*": 3, "price": 1}, {**dict.fromkeys(NAMES, 3), "price": 1}),
    "equal ones that agree": ({"C*": 1, "*1": 1}, {"C1": 1, "C2": 1, "C10": 1}),
}


@pytest.mark.parametrize("name", DECLARED)
def test_the_most_specific_declaration_wins(name: str) -> None:
    declared, expected = DECLARED[name]
    assert resolve_patterns("key", declared, NAMES) == expected


def test_a_tie_and_no_match_are_refused() -> None:
    with pytest.raises(UserError, match=r"key: C1 .* by its name"):
        resolve_patterns("key", {"C*": 1, "*1": 2}, NAMES)
    with pytest.raises(UserError, match=r"key=X\*"):
        resolve_patterns("key", {"X*": 1}, NAMES)


def same(settings: Compose, words: list[str], by_pattern: str, by_name: str) -> bool:
    """Whether declarations are the same rows, by their key."""
    own = [RunPlan(settings("model=lr", *words, text)).content for text in (by_pattern, by_name)]
    return own[0] == own[1]


SAME = {
    "types": (
        "data.types=[C*:number,C2:category]",
        "data.types=[C1:number,C10:number,C2:category]",
    ),
    "exclude": (
        "data.exclude=['C*','seen.week*']",
        "data.exclude=[C1,C2,C10,seen.weekday,seen.weekend]",
    ),
    "target": ("data.encodings=[C*:target]", "data.encodings=[C1:target,C2:target,C10:target]"),
}


@pytest.mark.parametrize("name", SAME)
def test_a_pattern_is_the_names_that_it_matches(
    name: str, settings: Compose, words: list[str]
) -> None:
    """The rows and so the runs are the same ones."""
    assert same(settings, words, *SAME[name])


def test_a_pattern_of_an_encoding_is_of_the_fields_that_have_it(
    settings: Compose, words: list[str]
) -> None:
    types = "data.types=[p*:number,*:category]"
    store = store_of(settings(*words, types, "data.encodings=[*:value,price:quantile]"))
    encodings = {field.name: field.encoding for field in store.schema.fields}
    assert encodings["price_old"] == "value" and encodings["price"] == "quantile"
    assert encodings["C1"] == "vocabulary"


def test_half_of_the_target_statistics(settings: Compose, words: list[str]) -> None:
    own = settings(*words, "data.encodings=[C*:target]", "data.exclude=[*.count]")
    names = [field.name for field in store_of(own).schema.fields]
    assert "C10.rate" in names and not any(name.endswith(".count") for name in names)


REFUSED = [
    "data.types=[X*:number]",
    "data.types=[C*:category,'*1:number',C10:category]",
    "data.encodings=[X*:target]",
    "data.encodings=[C*:targets]",
    "data.encodings=[p*:value,p*:quantile]",
    "data.encodings=[C*:value]",
    "data.exclude=['X*']",
]


@pytest.mark.parametrize("word", REFUSED)
def test_one_line_names_the_option(word: str, words: list[str], tmp_path: Path) -> None:
    numbers = [] if "types" in word else ["data.types=[price*:number,C*:category]"]
    done = ctrbench("prepare", *words, *numbers, word, f"results={tmp_path}/results")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert word.partition("=")[0] in done.stderr


def test_resolved_settings_read_rows_where_the_files_are_not(
    settings: Compose, words: list[str], tmp_path: Path
) -> None:
    own: Any = settings(*words, "data.types=[C*:number,*:category]").data
    resolved = open_source(own).resolved()
    (tmp_path / "rows.csv").rename(tmp_path / "moved.csv")
    moved = Table(dataclasses.replace(resolved))
    assert str(moved.types["C10"]) == "number" and str(moved.types["a*b"]) == "category"
    assert len(next(moved.slices_of(tmp_path / "moved.csv")).read()) == 300
