"""Vectors: lists of numbers as one field, a linear map to its embedding."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support import (
    SMALL,
    SMALL_MLP,
    Compose,
    ctrbench,
    process,
    run,
    run_directory,
    store_of,
)

from ctrbench import open_run
from ctrbench.data.schema import Field, Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.runs.export import export
from ctrbench.runs.opened import OpenedRun

ROWS, LENGTH = 900, 5
TABLE = ["data=table", "data.label=clicked", "data.min_count=2", "data.types=[shop:category]"]
VECTOR = "data.encodings=[emb:vector]"


def frame_of(seed: int = 0) -> pl.DataFrame:
    """Clicks by the sign of a projection of the vector; every fiftieth vector is missing."""
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(ROWS, LENGTH)).astype(np.float32)
    clicked = vectors @ np.array([2, -1, 0, 0, 1]) + draw.normal(size=ROWS) > 0
    cells = [None if i % 50 == 0 else vector.tolist() for i, vector in enumerate(vectors)]
    shops, prices = draw.integers(6, size=ROWS), draw.normal(size=ROWS)
    columns = {"clicked": clicked.astype(int), "shop": shops, "emb": cells, "price": prices}
    return pl.DataFrame(columns, schema_overrides={"emb": pl.List(pl.Float32)})


def write(frame: pl.DataFrame, folder: Path, form: str) -> Path:
    path = folder / f"rows.{form.partition('-')[0]}"
    if form == "parquet-array":
        frame = frame.with_columns(pl.col("emb").list.to_array(LENGTH))
    if form.startswith("parquet"):
        frame.write_parquet(path)
        return path
    join = ("[", ", ", "]") if form == "csv-json" else ("", "|", "")
    cells = [
        "" if v is None else join[0] + join[1].join(map(repr, v)) + join[2]
        for v in frame["emb"].to_list()
    ]
    frame.with_columns(pl.Series("emb", cells)).write_csv(path)
    return path


FORMS = ["parquet", "parquet-array", "csv", "csv-json"]


@pytest.mark.parametrize("encoding", [VECTOR, "data.encodings=[e*:vector]"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(
    form: str, encoding: str, settings: Compose, tmp_path: Path
) -> None:
    frame = frame_of()
    path = write(frame, tmp_path, form)
    words = [*TABLE, encoding, f"data.path={path}", "split=order", "data.exclude=[price]"]
    store = store_of(settings(*words))
    assert [field.name for field in store.schema.fields] == ["shop", "emb"]
    train, rows = store.part("train"), int(ROWS * 0.8)
    cells = frame["emb"].to_list()[:rows]
    for row, cell in enumerate(cells):
        ids, values = train.ids_NS[row, 1:], train.values_NX[row]
        if cell is None:
            assert ids.tolist() == [0] + [LENGTH + 1] * (LENGTH - 1) and values[0] == 1
        else:
            assert ids.tolist() == list(range(1, LENGTH + 1))
            assert values.tolist() == np.array(cell, np.float32).tolist()
    described = dict(zip(("shop", "emb"), store.manifest["statistics"], strict=True))["emb"]
    missing = sum(cell is None for cell in cells)
    assert described == {"type": "vector", "distinct": rows - missing, "missing": missing / rows}


def test_it_is_a_linear_map() -> None:
    """The embedding of a vector x is x W, of a missing one a row of its own."""
    schema = Schema((Field("a", "vocabulary", 3), Field("x", "vector", 6, 4)))
    layer = Embedding(schema, 3, 1.0)
    values = torch.randn(2, 4)
    values[1] = 1
    ids = torch.tensor([[1, 1, 2, 3, 4], [2, 0, 5, 5, 5]], dtype=torch.int32)
    out = layer(ids, values)
    assert torch.allclose(out[0, 1], values[0] @ layer.weight[4:8], atol=1e-6)
    assert torch.allclose(out[1, 1], layer.weight[3])


@pytest.mark.parametrize("model", ["lr", "ffm", "ccpm", "wide_deep", "dlrm"])
def test_models_learn_from_vectors_and_predict(
    model: str, settings: Compose, tmp_path: Path
) -> None:
    frame = frame_of()
    path = write(frame, tmp_path, "parquet")
    own = [word for word in SMALL.get(model, SMALL_MLP) if not word.startswith("model.crosses")]
    words = [*TABLE, VECTOR, f"data.path={path}", "split=order", "trainer.batch_size=64"]
    rate = "optimizer.deep.lr=0.02" if model == "wide_deep" else "optimizer.lr=0.02"
    few = settings(*words, f"model={model}", *own, rate, "trainer.epochs=1")
    result = run(few)
    assert result["metrics"]["test"]["auc"] > (0.6 if model in ("lr", "dlrm", "wide_deep") else 0)
    directory = run_directory(few)
    test = frame[-90:].drop("clicked")
    logits = np.load(directory.logits)
    path.unlink()
    probabilities = open_run(directory.path).predictions(test)
    assert np.allclose(probabilities, 1 / (1 + np.exp(-logits)), atol=1e-5)
    if model == "dlrm":
        file = write(frame[-90:], tmp_path, "parquet-array")
        done = process("predict", str(directory.path), str(file))
        assert done.returncode == 0, done.stderr
        assert np.allclose(np.loadtxt(done.stdout.splitlines()), probabilities, atol=1e-5)


def test_exported(settings: Compose, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    path = write(frame_of(), tmp_path, "parquet")
    own = settings(*TABLE, VECTOR, f"data.path={path}", "model=deepfm", *SMALL_MLP, "split=order")
    run(own)
    directory = run_directory(own)
    programs = export(directory.path, onnx=True)
    ids, values = OpenedRun(directory.path).inputs(
        next(OpenedRun(directory.path).source.slices()).read()
    )
    session = runtime.InferenceSession(str(programs[1]))
    feed = {"ids_BS": ids.numpy()[-90:], "values_BX": values.numpy()[-90:]}
    assert np.allclose(session.run(None, feed)[0], np.load(directory.logits), atol=1e-4)


def broken(frame: pl.DataFrame, row: int, cell: Any) -> pl.DataFrame:
    cells = frame["emb"].to_list()
    cells[row] = cell
    return frame.with_columns(pl.Series("emb", cells, pl.List(pl.Float32)))


WRONG = {
    "short": ([1.0, 2.0], "row 701, column emb: a vector of 2 numbers, expected 5"),
    "infinite": ([1.0, float("inf"), 0, 0, 0], "row 701, column emb: a vector with a value"),
    "with a gap": ([1.0, None, 0, 0, 0], "row 701, column emb: a vector with a value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_vector_of_another_form_is_named_by_its_row(case: str, tmp_path: Path) -> None:
    cell, message = WRONG[case]
    path = write(broken(frame_of(), 700, cell), tmp_path, "parquet")
    results = f"results={tmp_path}/results"
    done = ctrbench("prepare", *TABLE, VECTOR, f"data.path={path}", results)
    assert done.returncode == 1 and message in done.stderr.splitlines()[-1], done.stderr
    assert not [*tmp_path.glob("results/stores/**/*.npy")]


REFUSED = {
    "data.encodings=[shop:vector]": "shop",
    "data.encodings=[price:vector]": "price",
    "data.encodings=[embb:vector]": "no field embb",
    "data.encodings=[emb:mean]": "data.encodings=emb:mean",
    "data.encodings=[x*:vector]": "data.encodings=x*",
    "data.types=[emb:vector:x]": "data.types=emb:vector:x",
    "data.types=[emb:vector:4]": "expected 4",
    "data.encodings=[emb:vector] data.history={user: shop, time: price, of: [emb]}": "emb is encod",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_no_vector_is_refused(words: str, tmp_path: Path) -> None:
    path = write(frame_of(), tmp_path, "parquet")
    keys = [f"data.{word}" for word in f" {words}".split(" data.")[1:]]
    table = [word for word in TABLE if not word.startswith("data.types")]
    done = ctrbench("prepare", *table, f"data.path={path}", f"results={tmp_path}/r", *keys)
    assert done.returncode == 1 and REFUSED[words] in done.stderr.splitlines()[-1], done.stderr


def test_undeclared_lists_of_fractions_are_still_left_out(
    settings: Compose, tmp_path: Path
) -> None:
    path = write(frame_of(), tmp_path, "parquet-array")
    store = store_of(settings(*TABLE, f"data.path={path}"))
    assert "data.encodings=[emb:vector]" in store.manifest["left_out"]["emb"]
    assert [field.name for field in store.schema.fields] == ["shop", "price"]
