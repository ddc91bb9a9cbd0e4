"""Labels in the spellings that tools write; what is no label."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from data.sources.tables import rows_of, table
from support import Compose, criteo_line, store_of

from ctrbench.data.schema import LABEL, clicks
from ctrbench.data.sources.registry import open_source
from ctrbench.errors import UserError

LABELS = {
    "1.00": ["0.00", "1.00"],
    "1.": ["0.", "1."],
    "1e0": ["0e0", "1e0"],
    "1.000e+00": ["0.000e+00", "1.000e+00"],
    "-1": ["-1", "+1"],
    "-1.0": ["-1.0", "1.0"],
    "yes": ["no", " Yes"],
    "Decimal": [Decimal("0.00"), Decimal("1.00")],
    "boolean": [False, True],
    "bytes": [b"0", b"1"],
    "float": [0.0, 1.0],
}


@pytest.mark.parametrize("form", LABELS)
def test_spellings(form: str, settings: Compose, tmp_path: Path) -> None:
    frame = pl.DataFrame({"clicked": LABELS[form] * 2, "x": ["a", "b", "b", "a"]})
    path = tmp_path / "rows.parquet"
    frame.write_parquet(path)
    assert clicks(rows_of(table(settings, path))).tolist() == [0, 1, 0, 1]
    if form != "bytes":
        frame.write_csv(tmp_path / "rows.csv")
        assert clicks(rows_of(table(settings, tmp_path / "rows.csv"))).tolist() == [0, 1, 0, 1]


def row(layout: str, label: str, i: int) -> str:
    if layout == "criteo":
        return label + criteo_line(0, i)[1:]
    return f"{label} 0:{i % 7}:1 1:{i % 3}:1" if layout == "libsvm" else f"{label},{i % 7}"


def write(folder: Path, layout: str, labels: list[str], part: str = "path") -> str:
    header = ["clicked,x"] if layout == "table" else []
    path = folder / f"{part}.txt"
    lines = [*header, *(row(layout, label, i) for i, label in enumerate(labels))]
    path.write_text("\n".join(lines) + "\n")
    return f"data.{part}={path}"


LAYOUTS = ("table", "criteo", "libsvm")


def words(layout: str) -> list[str]:
    label = ["data.label=clicked", "data.types=[x:category]"] if layout == "table" else []
    return ["model=lr", f"data={layout}", "data.min_count=1", *label]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_three_values_are_refused(layout: str, settings: Compose, tmp_path: Path) -> None:
    """In one file, and over the files of the split; in each case with the rows."""
    file = write(tmp_path, layout, [*["1", "-1"] * 20, "0"])
    with pytest.raises(UserError, match=r"-1 \(.*path.txt, row 2\) and 0 \(.*path.txt, row 41\)"):
        store_of(settings(*words(layout), file))
    files = [
        write(tmp_path, layout, [no, "1"] * rows, part)
        for part, no, rows in (("train", "-1", 20), ("valid", "-1", 19), ("test", "0", 18))
    ]
    with pytest.raises(UserError, match=r"train.txt, row 1\) and 0 \(.*test.txt, row 1\)") as error:
        store_of(settings(*words(layout), *files))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bad", ["2", "nan", "-2", "maybe", "1_0"])
def test_other_values_are_refused(layout: str, bad: str, settings: Compose, tmp_path: Path) -> None:
    file = write(tmp_path, layout, ["1", "0", bad])
    with pytest.raises(
        UserError, match=rf"path.txt, line {3 + (layout == 'table')}.*'{bad}'.*label"
    ):
        store_of(settings(*words(layout), file))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_minus_one_and_one(layout: str, settings: Compose, tmp_path: Path) -> None:
    """The same rows as of 0 and 1, but for the key."""
    labels = [["1.0", "-1"][i % 3 % 2] for i in range(60)]
    stores = [
        store_of(settings(*words(layout), write(tmp_path, layout, labels))),
        store_of(
            settings(
                *words(layout), write(tmp_path, layout, [x.replace("-1", "0") for x in labels])
            )
        ),
    ]
    for part in ("train", "valid", "test"):
        first, second = (store.part(part) for store in stores)
        assert first.labels_N.tolist() == second.labels_N.tolist()
        assert first.ids_NS.tolist() == second.ids_NS.tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_label_is_not_needed_to_predict(layout: str, settings: Compose, tmp_path: Path) -> None:
    """Empty, NaN or anything else is no label there, and the other columns are read."""
    write(tmp_path, layout, ["1", "0"] * 10)
    source: Any = open_source(settings(*words(layout), f"data.path={tmp_path}/path.txt").data)
    odd = ["nan", "x"] if layout == "libsvm" else ["", "nan", "7"]
    labels = ["1", *odd, "-1"]
    write(tmp_path, layout, labels, "test")
    frame = next(source.slices_of(tmp_path / "test.txt", labelled=False)).read()
    assert frame[LABEL].to_list() == [1, *[None] * len(odd), -1]
    assert frame.drop(LABEL).null_count().sum_horizontal()[0] < frame.width  # not lost with it


def test_a_label_of_lists(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = pl.DataFrame({"clicked": [0, 1] * 10, "x": ["a", "b"] * 10})
    frame.write_parquet(path)
    source = table(settings, path)
    odd = {"list": [[0], [1]] * 10, "struct": [{"a": 0}, {"a": 1}] * 10, "bytes": [b"\xff"] * 20}
    for values in odd.values():
        frame.with_columns(pl.Series("clicked", values)).write_parquet(path)
        with pytest.raises(UserError, match=r"data.label=clicked: in .*rows.parquet"):
            table(settings, path)
        predicted = next(source.slices_of(path, labelled=False)).read()
        assert predicted["x"].to_list() == ["a", "b"] * 10
        assert LABEL not in predicted.columns or predicted[LABEL].is_null().all()
        with pytest.raises(UserError, match=r"column clicked"):
            next(source.slices_of(path)).read()


@pytest.mark.parametrize("key", ["data.time", "data.group", "data.history"])
def test_a_list_for_a_time_a_user_or_a_group(key: str, settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = pl.DataFrame({"clicked": [0, 1] * 20, "x": ["a", "b"] * 20, "t": range(40)})
    frame.with_columns(tags=pl.concat_list("x", "x")).write_parquet(path)
    odd = {
        "data.time": ["data.time=tags", "split=time"],
        "data.group": ["data.group=tags"],
        "data.history": ["data.history={user:tags,time:t,of:[x]}"],
    }[key]
    with pytest.raises(UserError, match=f"{key}.*=tags: .*one value a row") as error:
        store_of(settings("data=table", f"data.path={path}", "data.label=clicked", *odd))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["__label__", "__group__", "__truth__", "__user__", "__time__", ""]
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_reserved_and_empty_names(name: str, kind: str, settings: Compose, tmp_path: Path) -> None:
    """Refused as a field; as a column that is left out, or as the label, they do no harm."""
    path = tmp_path / f"rows.{kind}"
    frame = pl.DataFrame(
        {"clicked": [0, 1] * 20, "x": ["a", "b"] * 20, name: ["c", "d", "c", "c"] * 10}
    )
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    with pytest.raises(UserError, match=f"{name} is reserved" if name else "has no name"):
        table(settings, path)
    if name:
        rows = rows_of(table(settings, path, f"data.types=[{name}:skip]"))
        assert rows.columns == [LABEL, "x"] and clicks(rows).tolist() == [0, 1] * 20
