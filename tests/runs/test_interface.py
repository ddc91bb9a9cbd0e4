"""A run opened from Python."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from made import make_run
from support import Compose, run, run_directory

import ctrbench
from ctrbench.data.sources.criteo import CATEGORICAL_NAMES, NUMERIC_NAMES
from ctrbench.errors import UserError
from ctrbench.files import seal
from ctrbench.runs.export import export
from ctrbench.runs.opened import OpenedRun
from ctrbench.runs.warm_start import load_pretrained

CSV = "clicked,age,city,tags\n" + "".join(
    f"{i % 3 == 0:d},{'' if i % 7 == 0 else i % 50},c{i % 5},a|t{i % 4}\n" for i in range(300)
)


def test_what_a_run_says(settings: Compose) -> None:
    own = settings("model=fm")
    result = run(own)
    path = run_directory(own).path
    opened = ctrbench.open_run(path)
    assert opened.result == result and opened.config["model"]["name"] == "fm"
    assert list(opened.history["epoch"]) == [1, 2] and "valid_auc" in opened.history
    assert len(opened.logits) == result["dataset"]["rows"]["test"] == len(opened.labels)
    (path / "logits.npy").write_bytes((path / "logits.npy").read_bytes()[:-4])
    with pytest.raises(UserError, match=r"logits\.npy: was changed"):
        _ = ctrbench.open_run(str(path)).logits


def test_a_run_by_the_words_of_the_command(tmp_path: Path) -> None:
    words = ["model=lr", "data.rows=2000", "trainer.epochs=1", f"results={tmp_path}"]
    store = ctrbench.prepare(*words)
    assert len(store.schema.fields) == 39 and not (tmp_path / "runs").exists()
    trained = ctrbench.train(*words)
    written = (trained.path / "result.json").stat().st_mtime_ns
    assert ctrbench.load_runs(tmp_path)["identity"].tolist() == [trained.path.name]
    assert trained.store == store.folder
    assert trained.config["overrides"] == words[:-1] and trained.config["job"] is None
    again = ctrbench.train(*words)
    assert (again.path / "result.json").stat().st_mtime_ns == written
    with pytest.raises(UserError, match="did you mean fm"):
        ctrbench.train("model=fmx")


def test_labels_lie_with_the_run(settings: Compose, tmp_path: Path) -> None:
    """A bit each, wherever the run is moved to; of an old run without them they are the store's."""
    own = settings("model=lr")
    run(own)
    path = run_directory(own).path
    store = ctrbench.open_run(path).store
    assert store is not None
    expected = np.load(store / "test.labels.npy")
    moved = shutil.move(path, tmp_path / "moved")
    away = ctrbench.open_run(moved)
    assert (moved / "labels.npy").stat().st_size < 128 + len(expected) / 8 + 1
    np.testing.assert_array_equal(away.labels, expected)
    flipped = bytearray((moved / "labels.npy").read_bytes())
    flipped[-1] ^= 1
    (moved / "labels.npy").write_bytes(flipped)
    with pytest.raises(UserError, match=r"labels\.npy: was changed"):
        _ = ctrbench.open_run(moved).labels
    (moved / "labels.npy").unlink()
    np.testing.assert_array_equal(ctrbench.open_run(moved).labels, expected)
    shutil.rmtree(store)
    assert ctrbench.open_run(moved).store is None
    with pytest.raises(UserError, match="the store of its rows is not here"):
        _ = ctrbench.open_run(moved).labels


def test_what_is_not_there(settings: Compose, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a run; name a directory with a config\.yaml"):
        ctrbench.open_run(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    empty = ctrbench.open_run(tmp_path)
    assert empty.result is None and empty.history.empty
    with pytest.raises(UserError, match=r"logits\.npy: no such file"):
        _ = empty.logits
    with pytest.raises(UserError, match="not the config of a run"):
        _ = empty.config


def test_predictions_for_a_frame_of_a_table(settings: Compose, tmp_path: Path) -> None:
    """Those for the file, whatever the order of the columns and whether its label is there."""
    path = tmp_path / "rows.csv"
    path.write_text(CSV)
    types = "data.types=[age:number,city:category,tags:multi]"
    words = ["data=table", f"data.path={path}", "data.label=clicked", "data.values_separator='|'"]
    own = settings("model=fm", *words, types, "data.min_count=1")
    run(own)
    folder = run_directory(own).path
    reference = OpenedRun(folder)
    (piece,) = reference.source.slices_of(path)
    expected = torch.sigmoid(reference.logits(piece.read())).numpy()
    opened = ctrbench.open_run(folder)
    frame = pd.read_csv(path)
    assert frame["age"].dtype == float  # whole numbers beside gaps, as pandas reads them
    np.testing.assert_allclose(opened.predictions(frame), expected, rtol=1e-6)
    lists = frame.assign(tags=frame["tags"].str.split("|"))[["tags", "city", "age"]]
    np.testing.assert_allclose(opened.predictions(lists), expected, rtol=1e-6)
    with pytest.raises(UserError, match="no column city"):
        opened.predictions(frame.drop(columns="city"))


ODD = {
    "truths": pd.Series([True, False] * 100),
    "truths of a gap": pd.Series([True, None, False, True] * 50),
    "codes of a gap": pd.Series([1003.0, np.nan, 7.0, 7.0] * 50),
    "lists": pd.Series([["a", "b"], ["c"], None, []] * 50),
    "times of a zone": pd.Series(pd.date_range("2024-01-01", periods=200, freq="7h", tz="CET")),
    "days": pd.Series(pd.date_range("2024-01-01", periods=200)),
    "numbers or words": pd.Series([1, "x", 2.5, None] * 50),
    "seconds": pd.Series(pd.date_range("2024-01-01", periods=200, freq="7h", unit="s")),
}


@pytest.mark.parametrize("kind", ODD)
def test_predictions_for_any_column_of_pandas(kind: str, settings: Compose, tmp_path: Path) -> None:
    """Those for the file that polars writes of the same values."""
    column = ODD[kind]
    there = [None if cell is None or cell is pd.NaT or cell != cell else cell for cell in column]
    clicked = [int(i % 3 == 0) for i in range(len(column))]
    frame = pl.DataFrame({"clicked": clicked, "z": [f"z{i % 5}" for i in range(len(column))]})
    if "words" in kind:
        there = [None if cell is None else str(cell) for cell in there]
    frame.with_columns(pl.Series("x", there, strict=False)).write_parquet(tmp_path / "rows.parquet")
    types = ["data.types=[x:category]"] if "codes" in kind or "words" in kind else []
    words = ["data=table", f"data.path={tmp_path}/rows.parquet", "data.label=clicked", *types]
    own = settings("model=fm", "model.init_std=1", *words, "data.min_count=1")
    run(own)
    opened = ctrbench.open_run(run_directory(own).path)
    pieces = [logits for _, logits in opened.opened.scored(tmp_path / "rows.parquet")]
    rows = pd.DataFrame({"x": column, "z": frame["z"].to_list()})
    found = opened.predictions(rows)
    np.testing.assert_allclose(found, torch.sigmoid(torch.cat(pieces)).numpy(), rtol=1e-6)
    assert len(np.unique(found)) > 5  # of the column too


def test_lists_among_text_and_columns_of_no_use(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(CSV)
    types = "data.types=[age:number,city:category,tags:multi]"
    words = ["data=table", f"data.path={path}", "data.label=clicked", types, "data.min_count=1"]
    own = settings("model=fm", "model.init_std=1", *words)
    run(own)
    opened, frame = ctrbench.open_run(run_directory(own).path), pd.read_csv(path)
    expected = opened.predictions(frame)
    some = [cell.split("|") if i % 2 else cell for i, cell in enumerate(frame["tags"])]
    odd = frame.assign(tags=some, sets=[{1}] * len(frame), spans=pd.Period("2024"))
    np.testing.assert_array_equal(opened.predictions(odd), expected)
    with pytest.raises(UserError, match="two columns of the rows are named city; rename one"):
        opened.predictions(frame.rename(columns={"age": "city"}))


def test_predictions_need_no_column_of_the_split_alone(settings: Compose, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    hours = pd.date_range("2024-01-01", periods=300, freq="7h").astype(str)
    frame = pd.DataFrame({"clicked": [i % 3 // 2 for i in range(300)], "t": hours})
    frame["z"] = [f"z{i % 5}" for i in range(300)]
    frame.to_csv(path, index=False)
    words = ["data=table", f"data.path={path}", "data.label=clicked", "data.min_count=1"]
    times = ["split=time", "data.time=t", "data.exclude=[t.hour,t.weekday,t.weekend]"]
    own = settings("model=lr", *words, *times)
    run(own)
    opened = ctrbench.open_run(run_directory(own).path)
    whole = opened.predictions(frame)
    np.testing.assert_array_equal(opened.predictions(frame[["z"]]), whole)


def test_predictions_for_a_frame_of_criteo(settings: Compose, criteo_file: Path) -> None:
    own = settings("model=lr", "data=criteo", f"data.path={criteo_file}", "data.min_count=1")
    run(own)
    opened = ctrbench.open_run(run_directory(own).path)
    names = ["label", *NUMERIC_NAMES, *CATEGORICAL_NAMES]
    frame = pd.read_csv(criteo_file, sep="\t", names=names, dtype=dict.fromkeys(names[14:], "str"))
    (piece,) = opened.opened.source.slices_of(criteo_file)
    expected = torch.sigmoid(opened.opened.logits(piece.read())).numpy()
    np.testing.assert_allclose(opened.predictions(frame[names[::-1]]), expected, rtol=1e-6)
    with pytest.raises(UserError, match="no column C3"):
        opened.predictions(frame.drop(columns="C3"))


def test_rows_without_columns(settings: Compose) -> None:
    own = settings("model=lr")
    run(own)
    with pytest.raises(UserError, match="is not a file of rows"):
        ctrbench.open_run(run_directory(own).path).predictions(pd.DataFrame({"a": [1]}))


def test_settings_of_a_result_are_those_of_its_identity(settings: Compose) -> None:
    """Nothing but the seed differs between two seeds; a first stage is part of them."""
    found = []
    for seed in (0, 1):
        own = settings("model=fnn", "model.hidden=[4]", f"seed={seed}")
        found.append(run(own)["settings"])
        json.dumps(found[-1])
    assert found[0] != found[1]
    assert found[0] | {"seed": 1} == found[1]
    assert found[0]["pretraining"]["model"]["name"] == "fm"


@pytest.mark.parametrize("content", [b'{"epoch": 1', b"[1]\n", b"\xff\xfe", b"[" * 10**5, b"1\n"])
def test_a_damaged_history(content: bytes, tmp_path: Path) -> None:
    path = make_run(tmp_path, "lr")
    (path / "history.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"history\.jsonl, line 1: ") as error:
        _ = ctrbench.open_run(path).history
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 50, b"\x08" + b"\0" * 7 + b"{}{}{}{}", b"\xff" * 20]
)
def test_weights_that_are_none(content: bytes, shared: Compose, tmp_path: Path) -> None:
    """With the right digest: in predict, export, and as what another run starts from."""
    own = shared("model=lr")
    run(own)
    path = tmp_path / "copy"
    shutil.copytree(run_directory(own).path, path)
    (path / "model.safetensors").write_bytes(content)
    result = json.loads((path / "result.json").read_text())
    result["files"]["model.safetensors"] = hashlib.sha256(content).hexdigest()
    (path / "result.json").write_text(json.dumps(seal(result)))
    for use in (OpenedRun, lambda path: export(path, onnx=False)):
        with pytest.raises(UserError, match=r"copy/model\.safetensors: not weights"):
            use(path)
    with pytest.raises(UserError, match=r"copy/model\.safetensors: not weights"):
        load_pretrained(torch.nn.Linear(1, 1), path / "model.safetensors")
