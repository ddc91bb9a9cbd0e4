"""From raw rows to a store: encodings, splits, vocabularies of training rows only, and refusals."""

import dataclasses
import gzip
import lzma
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import REAL, Compose, criteo_line, needs_real_rows, store_of

from ctrbench.data.schema import CATEGORICAL, MULTI, NUMERIC, Column
from ctrbench.data.settings import SplitSettings
from ctrbench.data.split import assign
from ctrbench.data.store import encode
from ctrbench.data.store.opened import Store
from ctrbench.errors import UserError

NUMBER, CATEGORY = Column("n", NUMERIC), Column("c", CATEGORICAL)


def counts(values: list[int | None]) -> pl.DataFrame:
    series = pl.Series("value", values, pl.Int64).to_frame()
    return series.group_by("value").agg(pl.len().alias("count"))


def fitted(store: Store) -> dict[str, pl.Series]:
    """What the fields of a small store were fitted to."""
    (path,) = store.folder.glob("vocabulary/*.parquet")
    return {column.name: column[0] for column in pl.read_parquet(path)}


def test_log_squared_bins() -> None:
    values = [-3, -1, 0, 1, 2, 3, 4, 5, 8, 100, 10**6]
    bins = pl.DataFrame({"x": values}).select(encode.log_squared(pl.col("x"))).to_series()
    expected = [x if x <= 2 else 2 + math.floor(math.log(x) ** 2) for x in values]
    assert bins.to_list() == expected
    assert len(set(expected[:5]) & set(expected[5:])) == 0


def test_values_up_to_two_share_no_bin_with_larger_ones() -> None:
    values = pl.DataFrame({"x": np.arange(-4, 40) / 8})
    binned = values.with_columns(bin=encode.log_squared(pl.col("x")))
    low, high = binned.filter(pl.col("x") <= 2)["bin"], binned.filter(pl.col("x") > 2)["bin"]
    assert low.max() == 2 and high.min() == 3 and high.is_sorted()


def test_vocabulary() -> None:
    """The most frequent first, ties by value; rare and unseen are 0; missing is a value."""
    seen = counts([7] * 5 + [None] * 4 + [3] * 3 + [2] * 3 + [9])
    encoder = encode.fit(CATEGORY, "vocabulary", seen, min_count=2, bins=2)
    assert encoder.field.size == 5
    column = pl.Series([7, None, 2, 3, 9, 1234], dtype=pl.Int64)
    assert encoder.ids(column).tolist() == [1, 2, 3, 4, 0, 0]


def test_quantile_bins_hold_equal_shares() -> None:
    values = np.random.default_rng(0).integers(0, 10**6, 10_000)
    encoder = encode.fit(NUMBER, "quantile", counts(values.tolist()), min_count=1, bins=8)
    ids = encoder.ids(pl.Series([*values.tolist(), None]))
    assert encoder.field.size == 9 and ids[-1] == 0
    assert np.abs(np.bincount(ids[:-1])[1:] - 1250).max() <= 1
    assert encoder.ids(pl.Series([-5, 10**9])).tolist() == [1, 8]


SKEWED = {
    "one value has nearly all": ({0: 3, 1: 97}, 32, [1, 2]),
    "the largest has most": ({0: 10, 1: 10, 2: 80}, 4, [1, 1, 2]),
    "the least has most": ({0: 80, 1: 10, 2: 10}, 4, [1, 2, 2]),
    "one value": ({7: 5, None: 5}, 4, [1, 0]),
}


@pytest.mark.parametrize("name", SKEWED)
def test_every_bin_of_quantiles_has_training_values(name: str) -> None:
    """The largest value of the training rows is in the bin of all larger ones."""
    seen, bins, expected = SKEWED[name]
    values = [value for value, times in seen.items() for _ in range(times)]
    encoder = encode.fit(NUMBER, "quantile", counts(values), min_count=1, bins=bins)
    column = pl.Series(list(seen), dtype=pl.Int64)
    assert encoder.ids(column).tolist() == expected
    assert encoder.field.size == max(expected) + 1
    assert encoder.ids(pl.Series([10**9])).tolist() == [max(expected)]


def test_values_are_standardised_logarithms() -> None:
    values = [0, 1, 10, 100, -10]
    encoder = encode.fit(NUMBER, "value", counts(values), min_count=1, bins=2)
    logs = np.sign(values) * np.log1p(np.abs(values))
    assert isinstance(encoder, encode.Scaled)
    column = pl.Series([*values, None])
    np.testing.assert_allclose(encoder.values(column)[:-1], (logs - logs.mean()) / logs.std(), 1e-6)
    assert encoder.ids(column).tolist() == [1] * 5 + [0]
    assert encoder.values(column)[-1] == 1
    flat = encode.fit(NUMBER, "value", counts([7, 7, None]), min_count=1, bins=2)
    assert isinstance(flat, encode.Scaled)
    assert flat.values(pl.Series([7, None])).tolist() == [0, 1]


def test_unscaled_values_are_as_they_are() -> None:
    encoder = encode.fit(NUMBER, "unscaled", counts([0, 3, -5]), min_count=1, bins=2)
    again = encode.restore(encoder.field, encoder.state())
    column = pl.Series([0.25, -5, None])
    assert encoder.field.encoding == "value" and encoder.ids(column).tolist() == [1, 1, 0]
    for one in (encoder, again):
        assert one.values(column).tolist() == [0.25, -5, 1]  # type: ignore[attr-defined]
        assert one.values(column).dtype == np.float32  # type: ignore[attr-defined]


def test_several_values_have_a_slot_each() -> None:
    """An empty list is a missing value, an unknown value is 0, a slot not used has the last id."""
    column = Column("g", MULTI)
    values = pl.Series([["a", "b"], ["a"], [], None, ["b", "a"]], dtype=pl.List(pl.String))
    seen = values.explode(empty_as_null=True, keep_nulls=True).to_frame("value")
    counted = seen.group_by("value").agg(pl.len().alias("count"))
    encoder = encode.fit(column, "sum", counted, min_count=2, bins=2, slots=2)
    a, b, missing, unused = 1, 2, 3, 4
    assert (encoder.field.size, encoder.field.slots, encoder.field.padding) == (5, 2, unused)
    assert encoder.ids(values).tolist() == [
        [a, b],
        [a, unused],
        [missing, unused],
        [missing, unused],
        [b, a],
    ]
    more = pl.Series([["x"], ["b", "x", "a"]], dtype=pl.List(pl.String))
    assert encoder.ids(more).tolist() == [[0, unused], [b, 0]]


def test_fields_left_out(settings: Compose, criteo_file: Path) -> None:
    words = ["data=criteo", f"data.path={criteo_file}"]
    whole, part = store_of(settings(*words)), store_of(settings(*words, "data.exclude=[I2,C26]"))
    names = [field.name for field in part.schema.fields]
    assert len(names) == 37 and not {"I2", "C26"} & set(names)
    kept = [i for i, f in enumerate(whole.schema.fields) if f.name in names]
    np.testing.assert_array_equal(part.part("test").ids_NS, whole.part("test").ids_NS[:, kept])


@pytest.mark.parametrize("kind", ["random", "order"])
def test_split_is_the_same_in_slices_of_any_size(kind: str) -> None:
    settings = SplitSettings(kind=kind, fractions=[0.7, 0.2, 0.1], seed=4)
    whole = assign(settings, 0, 1000, 1000)
    pieces = [assign(settings, start, 8, 1000) for start in range(0, 1000, 8)]
    assert (np.concatenate(pieces) == whole).all()
    np.testing.assert_allclose(np.bincount(whole) / 1000, settings.fractions, atol=0.05)
    if kind == "order":
        assert (np.diff(whole.astype(int)) >= 0).all() and np.bincount(whole).tolist() == [
            700,
            200,
            100,
        ]
    else:
        assert (assign(dataclasses.replace(settings, seed=5), 0, 1000, 1000) != whole).any()


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_split_is_independent_of_columns_made_with_its_seed(seed: int) -> None:
    """Whoever made the rows may have used NumPy's generators with the very seed of the split."""
    settings = SplitSettings(kind="random", fractions=[0.5, 0.25, 0.25], seed=seed)
    parts_N = assign(settings, 0, 20_000, 20_000)
    made = {
        "default_rng": np.random.default_rng(seed).random(20_000),
        "normal": np.random.default_rng(seed).normal(size=20_000),
        "PCG64": np.random.Generator(np.random.PCG64(seed)).random(20_000),
        "RandomState": np.random.RandomState(seed).rand(20_000),
    }
    for name, column_N in made.items():
        assert abs(np.corrcoef(column_N, parts_N)[0, 1]) < 0.03, name


def test_fitted_on_training_rows_only(settings: Compose, criteo_file: Path) -> None:
    """A category and numbers that occur in other rows alone have no id and move no scale."""
    lines = criteo_file.read_text().splitlines()
    for i in range(480, 600):
        cells = lines[i].split("\t")
        cells[1], cells[2], cells[14] = "99999999", "88888888", "deadbeef"
        lines[i] = "\t".join(cells)
    criteo_file.write_text("\n".join(lines) + "\n")
    words = [f"data.path={criteo_file}", "split=order", "data.min_count=1"]
    store = store_of(settings("data=criteo", *words, "data.encodings=[I1:quantile,I2:value]"))
    for name in ("valid", "test"):
        ids_NS = store.part(name).ids_NS
        assert len(ids_NS) == 60 and (ids_NS[:, 13] == 0).all()
    assert store.schema.fields[13].size == 1 + 9 + 1  # nine values and missing
    last_edge = fitted(store)["I1"].max()
    assert isinstance(last_edge, float) and last_edge < 500
    known = [float(cell) for line in lines[:480] if (cell := line.split("\t")[2])]
    logs = np.sign(known) * np.log1p(np.abs(known))
    np.testing.assert_allclose(fitted(store)["I2"].to_list(), [logs.mean(), logs.std()], 1e-9)


def test_ids_are_the_raw_rows(settings: Compose, criteo_file: Path) -> None:
    """Ids decoded through the stored vocabulary give the raw cells again, in the file's order."""
    store = store_of(settings("data=criteo", f"data.path={criteo_file}", "split=order"))
    keys = fitted(store)["C1"].to_list()
    raw = [line.split("\t") for line in criteo_file.read_text().splitlines()]
    part = store.part("train")
    for row, ids, label in zip(raw[:480], part.ids_NS, part.labels_N, strict=True):
        assert label == int(row[0])
        if ids[13]:
            assert keys[ids[13] - 1] == (int(row[14], 16) if row[14] else None)


@pytest.mark.parametrize("suffix", ["gz", "xz", "zst"])
def test_compressed_files_are_the_same_rows(
    suffix: str, settings: Compose, criteo_file: Path, tmp_path: Path
) -> None:
    import zstandard

    raw = criteo_file.read_bytes().replace(b"\n", b"\r\n").rstrip()
    compress: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "zst": zstandard.compress,
    }
    packed = tmp_path / f"rows.txt.{suffix}"
    packed.write_bytes(compress[suffix](raw))
    plain = store_of(settings("data=criteo", f"data.path={criteo_file}")).part("train")
    other = store_of(settings("data=criteo", f"data.path={packed}")).part("train")
    np.testing.assert_array_equal(plain.ids_NS, other.ids_NS)


def test_files_named_by_the_user(settings: Compose, criteo_file: Path, tmp_path: Path) -> None:
    lines = criteo_file.read_text().splitlines(keepends=True)
    words = []
    for part, (start, stop) in {"train": (0, 400), "valid": (400, 450), "test": (450, 600)}.items():
        (tmp_path / part).write_text("".join(lines[start:stop]))
        words.append(f"data.{part}={tmp_path / part}")
    store = store_of(settings("data=criteo", *words))
    assert store.summary()["rows"] == {"train": 400, "valid": 50, "test": 150}


def test_a_store_is_found_again_by_content(settings: Compose, criteo_file: Path) -> None:
    first = store_of(settings("data=criteo", f"data.path={criteo_file}"))
    made = (first.folder / "store.json").stat().st_mtime_ns
    moved = criteo_file.rename(criteo_file.with_name("moved.txt"))
    again = store_of(settings("data=criteo", f"data.path={moved}"))
    assert again.folder == first.folder and (again.folder / "store.json").stat().st_mtime_ns == made
    other = store_of(settings("data=criteo", f"data.path={moved}", "data.min_count=7"))
    assert other.folder != first.folder
    moved.write_text(moved.read_text() + criteo_line(1, 999) + "\n")
    assert store_of(settings("data=criteo", f"data.path={moved}")).folder != first.folder


@pytest.mark.parametrize("name", ["train.ids.npy", "vocabulary/00000.parquet", "store.json"])
def test_changed_bytes_are_noticed(name: str, settings: Compose) -> None:
    store = store_of(settings())
    path = store.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"{name}: .* changed .* delete"):
        store_of(settings())


def test_the_share_of_missing_values_is_of_the_training_rows(settings: Compose) -> None:
    store = store_of(settings("data.missing=0.2", "data.rows=4000"))
    statistics = store.manifest["statistics"]
    shares = [about["missing"] for about in statistics]
    assert shares[0] == pytest.approx(0.2, abs=0.03) and shares[1] == 0


def test_a_column_of_one_value_is_left_out(
    settings: Compose, criteo_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = criteo_file.read_text().splitlines()
    lines = [row.rpartition("\t")[0] + "\t68fd1e64" for row in rows]
    criteo_file.write_text("\n".join(lines) + "\n")
    with caplog.at_level("INFO"):
        store = store_of(settings("data=criteo", "data.min_count=1", f"data.path={criteo_file}"))
    names = [field.name for field in store.schema.fields]
    assert len(names) == 38 and "C26" not in names
    (line,) = [line for line in caplog.text.split("\n") if line.startswith("| C26 ")]
    assert "| left out: all training rows have the same value |" in line
    assert store.manifest["left_out"] == {"C26": "all training rows have the same value"}


@needs_real_rows
def test_real_rows(settings: Compose) -> None:
    path = REAL / "criteo" / "train-137139.txt.xz"
    store = store_of(settings("data=criteo", f"data.path={path}"))
    parts = store.manifest["parts"].values()
    assert sum(part["rows"] for part in parts) == 137_139
    assert sum(part["clicks"] for part in parts) / 137_139 == pytest.approx(0.2568, abs=1e-4)
