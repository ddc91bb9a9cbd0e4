"""Folders, patterns and lists of files: what distributed engines write, as it is."""

import gzip
import lzma
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support import (
    REAL,
    Compose,
    ctrbench,
    needs_real_rows,
    run,
    run_directory,
    store_of,
    write_criteo_file,
)

from ctrbench.data.sources.folders import natural_order
from ctrbench.data.sources.registry import open_source
from ctrbench.data.store.opened import Store
from ctrbench.runs.plan import RunPlan

ROWS, PARTS = 1_200, 12
rng = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "clicked": rng.integers(0, 2, ROWS),
        "number": np.arange(ROWS) + 0.5,
        "city": rng.choice(["Oslo", "Paris, FR", "Köln"], ROWS),
        "tags": [["x", "y"][: 1 + i % 2] for i in range(ROWS)],
    }
)
WORDS = ["model=lr", "data=table", "data.label=clicked", "data.encodings=[number:unscaled]"]
SPARK = "-c000.snappy.parquet"


def pieces(frame: pl.DataFrame = FRAME, parts: int = PARTS) -> list[pl.DataFrame]:
    rows = -(-len(frame) // parts)
    return [frame.slice(i * rows, rows) for i in range(parts)]


def spark_folder(folder: Path) -> Path:
    """Rows as Spark writes them, with a part that has none, and what lies beside them."""
    folder.mkdir()
    for i, piece in enumerate(pieces()):
        piece.write_parquet(folder / f"part-{i:05}-8a3f{SPARK}")
        (folder / f".part-{i:05}-8a3f{SPARK}.crc").write_bytes(b"crc\0")
    FRAME.clear().write_parquet(folder / f"part-{PARTS:05}-8a3f{SPARK}")
    (folder / "_SUCCESS").touch()
    (folder / "_metadata").write_bytes(b"PAR1")
    (folder / "_temporary").mkdir()
    (folder / "_temporary" / "part.parquet").write_bytes(b"half")
    return folder


def dask_folder(folder: Path) -> Path:
    """Rows as Dask writes them: ``part.2`` is before ``part.10``."""
    folder.mkdir()
    for i, piece in enumerate(pieces()):
        piece.write_parquet(folder / f"part.{i}.parquet")
    return folder


def csv_folder(folder: Path) -> Path:
    """Compressed CSV, one part with a header alone, and one without a byte."""
    folder.mkdir()
    text = FRAME.with_columns(pl.col("tags").list.join("|"))
    for i, piece in enumerate(pieces(text)):
        (folder / f"{i}.csv.gz").write_bytes(gzip.compress(piece.write_csv().encode()))
    (folder / "12.csv.gz").write_bytes(gzip.compress(text.clear().write_csv().encode()))
    (folder / "13.csv").touch()
    return folder


def one_file(path: Path) -> Path:
    FRAME.write_parquet(path)
    return path


def arrays(store: Store) -> list[bytes]:
    names = ("train", "valid", "test")
    parts = [store.part(name) for name in names]
    return [a.tobytes() for p in parts for a in (p.ids_NS, p.values_NX, p.labels_N)]


LAYOUTS = {"spark": spark_folder, "dask": dask_folder, "csv": csv_folder}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_is_its_parts_one_after_the_other(
    name: str, settings: Compose, tmp_path: Path
) -> None:
    folder = LAYOUTS[name](tmp_path / "days")
    words = [*WORDS, "data.types=[tags:multi]"]
    whole = store_of(settings(*words, f"data.path={one_file(tmp_path / 'one.parquet')}"))
    store = store_of(settings(*words, f"data.path={folder}"))
    assert arrays(store) == arrays(whole)


def test_the_content_is_the_identity(settings: Compose, tmp_path: Path) -> None:
    folder = dask_folder(tmp_path / "days")
    own = f"data.path={folder}"
    content = RunPlan(settings(*WORDS, own)).content
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for i in range(PARTS):
        shutil.copy(folder / f"part.{i}.parquet", renamed / f"{i:03}.pq")
    assert RunPlan(settings(*WORDS, f"data.path={renamed}")).content == content
    pattern = RunPlan(settings(*WORDS, f"data.path={folder}/part.*.parquet"))
    assert pattern.content == content
    files = ",".join(f'"{folder}/part.{i}.parquet"' for i in range(PARTS))
    assert RunPlan(settings(*WORDS, f"data.path=[{files}]")).content == content
    (folder / "part.3.parquet").unlink()
    assert RunPlan(settings(*WORDS, own)).content != content


def test_one_plain_file_keeps_its_identity(settings: Compose, tmp_path: Path) -> None:
    """A folder above it says nothing of its rows, as before."""
    folder = tmp_path / "lr=0.1"
    folder.mkdir()
    one = one_file(folder / "one.parquet")
    there = one_file(tmp_path / "one.parquet")
    plans = [RunPlan(settings(*WORDS, f"data.path='{path}'")) for path in (one, there)]
    assert plans[0].content == plans[1].content
    assert "lr" not in plans[0].dataset.encodings


def hive_folder(folder: Path) -> dict[Path, pl.DataFrame]:
    """A folder of days and countries, one of them not known, one in escaped letters."""
    countries = ["C%C3%B4te d%27Ivoire", "NO", "__HIVE_DEFAULT_PARTITION__"]
    files = {}
    for i, piece in enumerate(pieces(FRAME.drop("tags"))):
        path = folder / f"dt=2026-03-{1 + i // 3:02}" / f"country={countries[i % 3]}"
        path.mkdir(parents=True)
        piece.write_parquet(path / "part-0.parquet")
        files[path / "part-0.parquet"] = piece
    return files


def test_folders_give_columns(settings: Compose, tmp_path: Path) -> None:
    files = hive_folder(tmp_path / "days")
    own = settings(*WORDS, f"data.path={tmp_path}/days", "data.min_count=1")
    source = open_source(own.data)
    frame = pl.concat([piece.read() for piece in source.slices()])
    assert frame["number"].to_list() == pl.concat(files.values())["number"].to_list()
    countries = ["Côte d'Ivoire", "NO", None]
    assert frame["country"].to_list() == [countries[i // 100 % 3] for i in range(ROWS)]
    assert frame["dt.weekday"].to_list() == [7 if i < 300 else i // 300 for i in range(ROWS)]


@needs_real_rows
def test_partitions_of_another_writer(settings: Compose, tmp_path: Path) -> None:
    """Real ratings, as polars partitions them, are those of the whole file by their folds."""
    text = lzma.decompress((REAL / "movielens-1m/ratings.csv.xz").read_bytes())
    ratings = pl.read_csv(text).head(20_000)
    ratings.write_parquet(tmp_path / "folds", partition_by="fold")
    ratings.sort("fold", maintain_order=True).write_parquet(tmp_path / "whole.parquet")
    words = ["model=fm", "data=table", "data.label=rating", "data.positive='>3'"]
    words += ["data.types=[*:category]", "data.exclude=[fold]"]
    stores = [
        store_of(settings(*words, f"data.path={tmp_path}/{name}"))
        for name in ("folds", "whole.parquet")
    ]
    assert arrays(stores[0]) == arrays(stores[1])
    assert len(list((tmp_path / "folds").rglob("*.parquet"))) == 5


def test_the_day_of_a_folder_splits(settings: Compose, tmp_path: Path) -> None:
    hive_folder(tmp_path / "days")
    words = ["split=time", "data.time=dt", "split.fractions=[0.5,0.25,0.25]"]
    store = store_of(settings(*WORDS, f"data.path={tmp_path}/days", *words))
    assert [store.manifest["parts"][p]["rows"] for p in ("train", "valid", "test")] == [
        600,
        300,
        300,
    ]


def test_days_as_splits(settings: Compose, tmp_path: Path) -> None:
    hive_folder(tmp_path / "days")
    day = f"{tmp_path}/days/dt=2026-03-0"
    words = [f'data.train=["{day}1","{day}2"]', f'data.valid="{day}3"', f'data.test="{day}4"']
    own = settings(*WORDS, *words, "data.min_count=1")
    store = store_of(own)
    counts = [store.manifest["parts"][p]["rows"] for p in ("train", "valid", "test")]
    assert counts == [600, 300, 300]
    names = [field.name for field in store.schema.fields]
    assert "country" in names and "dt.weekday" in names


def test_predict_reads_folders_and_patterns(settings: Compose, tmp_path: Path) -> None:
    hive_folder(tmp_path / "days")
    own = settings(*WORDS, f"data.path={tmp_path}/days", "data.min_count=1")
    run(own)
    path = str(run_directory(own).path)
    whole = ctrbench("predict", path, f"{tmp_path}/days")
    assert whole.returncode == 0 and len(whole.stdout.splitlines()) == ROWS
    day = ctrbench("predict", path, f"{tmp_path}/days/dt=2026-03-02/*/*.parquet")
    assert day.stdout.splitlines() == whole.stdout.splitlines()[300:600]
    (tmp_path / "empty").mkdir()
    for missing in ("empty", "days/dt=2027*", "nothing"):
        done = ctrbench("predict", path, f"{tmp_path}/{missing}")
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert f"{tmp_path}/{missing}" in done.stderr


def test_a_folder_of_another_layout(settings: Compose, tmp_path: Path) -> None:
    path = write_criteo_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    (tmp_path / "parts").mkdir()
    for i in range(3):
        (tmp_path / "parts" / f"part-{i}").write_bytes(b"".join(lines[i * 200 : (i + 1) * 200]))
    words = ["data=criteo", "data.min_count=1"]
    whole = store_of(settings(*words, f"data.path={path}"))
    assert arrays(store_of(settings(*words, f"data.path={tmp_path}/parts"))) == arrays(whole)


def test_natural_order() -> None:
    names = ["a/part-10", "a/part-2", "b/1", "a/part-2-x", "a10/1", "a9/1"]
    ordered = sorted(map(Path, names), key=natural_order)
    assert [str(path) for path in ordered] == [
        "a/part-2",
        "a/part-2-x",
        "a/part-10",
        "a9/1",
        "a10/1",
        "b/1",
    ]


def bad_folder(folder: Path, case: str) -> tuple[str, str]:
    """Write files that cannot be read as one; returns what names them, and what a message has."""
    dask_folder(folder)
    other = folder / "part.5.parquet"
    frame = pl.read_parquet(other)
    if case == "another column":
        frame.with_columns(more=pl.lit(1)).write_parquet(other)
        return str(folder), f"{other}.* more"
    if case == "a column less":
        frame.drop("city").write_parquet(other)
        return str(folder), f"{other}.* city"
    if case == "text beside Parquet":
        frame.drop("tags").write_csv(folder / "part.5.csv")
        return str(folder), "part.5.csv"
    if case == "twice":
        return f'["{other}","{folder}"]', f"{other}.* twice"
    if case == "a loop of links":
        (folder / "loop").symlink_to(folder)
        return str(folder), f"{folder}/loop"
    if case == "no match":
        return f"{folder}/*.orc", f"{folder}/..orc"
    if case == "not there":
        return f'["{other}","{folder}/none.parquet"]', f"{folder}/none.parquet"
    for path in folder.iterdir():
        path.unlink()
    if case == "no rows":
        frame.clear().write_parquet(other)
    return str(folder), str(folder)


CASES = [
    *("another column", "a column less", "text beside Parquet", "twice", "a loop of links"),
    *("no match", "not there", "no rows", "no files"),
]


@pytest.mark.parametrize("case", CASES)
def test_one_line_names_the_file(case: str, tmp_path: Path) -> None:
    named, message = bad_folder(tmp_path / "days", case)
    words = [*WORDS[1:3], f"data.path={named}", f"results={tmp_path}/results"]
    done = ctrbench("prepare", *words)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert pl.Series([done.stderr]).str.contains(message.replace("..orc", r"\*.orc"))[0]
    assert not list(tmp_path.rglob("*.npy"))


def test_the_same_part_in_two_splits(tmp_path: Path) -> None:
    folder = dask_folder(tmp_path / "days")
    test = tmp_path / "test"
    test.mkdir()
    shutil.copy(folder / "part.7.parquet", test / "a.parquet")
    words = [f"data.train={folder}", f"data.valid={one_file(tmp_path / 'v.parquet')}"]
    done = ctrbench("data", *WORDS[1:3], *words, f"data.test={test}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "part.7.parquet" in done.stderr and "a.parquet" in done.stderr
