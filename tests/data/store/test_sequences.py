"""Sequences that a file holds, against plain loops; models that read them; what is refused."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support import Compose, ctrbench, process, run, run_directory, store_of

from ctrbench import open_run
from ctrbench.data.store import sequences, stages
from ctrbench.runs.export import export
from ctrbench.runs.opened import OpenedRun

ROWS, ITEMS = 1200, 30
TABLE = ["data=table", "data.label=clicked", "data.min_count=2"]
TYPES = "data.types=[item:category,shop:category]"
SEQUENCES = "data.sequences={seen: item, shops: shop}"
Rows = list[dict[str, Any]]


def make_rows(seed: int = 0) -> Rows:
    """A click is likely where the item was seen last; lists of up to nine values, some empty."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(ROWS):
        item, length = int(draw.integers(ITEMS)), int(draw.integers(10))
        seen = draw.integers(ITEMS, size=length).tolist()
        if length and draw.random() < 0.5:
            seen[-1] = item
        clicked = draw.random() < (0.9 if seen and seen[-1] == item else 0.1)
        shops = [f"s{value % 4}" for value in seen[: length // 2]]
        row = {"clicked": int(clicked), "item": item, "shop": f"s{item % 4}"}
        rows.append(row | {"seen": seen, "shops": shops})
    return rows


def write(rows: Rows, path: Path) -> Path:
    """As Parquet, or as text with values between bars."""
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
        return path
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(rows[0])
        for row in rows:
            out.writerow("|".join(map(str, v)) if isinstance(v, list) else v for v in row.values())
    return path


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
@pytest.mark.parametrize("most", [3, None])
def test_the_last_values_in_the_ids_of_the_field(
    name: str, most: int | None, settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FIT_CELLS", 1000)
    monkeypatch.setattr(sequences, "ENCODE_ROWS", 100)
    rows = make_rows()
    rows[5]["seen"] = [999, 1]  # a value that the field has not
    path = write(rows, tmp_path / name)
    store = store_of(
        settings(*TABLE, TYPES, SEQUENCES, f"data.path={path}", f"data.max_values={most or 'null'}")
    )
    own = [field.name for field in store.schema.present.fields]
    assert own == ["item", "shop"]
    encoders = dict(zip(own, store.encoder().encoders, strict=True))
    slots = most or 9
    history = {field.name: field for field in store.schema.history}
    assert {name: field.slots for name, field in history.items()} == dict(seen=slots, shops=slots)
    ids = {
        of: dict(zip(map(str, values), encoders[of].ids(pl.Series(values)).tolist(), strict=True))
        for of in own
        if (values := sorted({str(row[of]) for row in rows}))
    }
    expected = []
    for row in rows:
        line = []
        for column, of in (("seen", "item"), ("shops", "shop")):
            last = [ids[of].get(str(value), 0) for value in row[column]][-slots:]
            line += last + [history[column].padding] * (slots - len(last))
        expected.append((*(ids[of][str(row[of])] for of in own), *line, row["clicked"]))
    stored = [
        tuple(line)
        for part in map(store.part, ("train", "valid", "test"))
        for line in np.column_stack([part.ids_NS, part.history_NP, part.labels_N]).tolist()
    ]
    assert sorted(stored) == sorted(expected)


@pytest.mark.parametrize("model", ["din", "gru4ctr", "rnn", "deepfm"])
def test_models_read_them(model: str, settings: Compose, tmp_path: Path) -> None:
    """Trained, and predicted from files in the layout of training, in another process once."""
    rows = make_rows()
    path = write(rows, tmp_path / "rows.parquet")
    epochs = 8 if model == "gru4ctr" else 1
    words = [f"data.path={path}", "split=order", "trainer.batch_size=128"]
    words += [f"trainer.epochs={epochs}", "model.embedding_dim=4"]
    own = settings(*TABLE, TYPES, SEQUENCES, f"model={model}", "optimizer.lr=0.02", *words)
    result = run(own)
    if model == "gru4ctr":
        assert result["metrics"]["test"]["auc"] > 0.8
    directory = run_directory(own)
    path.unlink()  # predictions need nothing but the run
    frame = pl.DataFrame(rows[-120:]).drop("clicked")
    probabilities = open_run(directory.path).predictions(pd.DataFrame(frame.to_dicts()))
    test = write(rows[-120:], tmp_path / "test.parquet")
    call = process if model == "din" else ctrbench
    done = call("predict", str(directory.path), str(test))
    assert done.returncode == 0, done.stderr
    logits = np.load(directory.logits)
    assert np.allclose(np.loadtxt(done.stdout.splitlines()), 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert np.allclose(probabilities, 1 / (1 + np.exp(-logits)), atol=1e-6)
    if model == "din":
        opened = OpenedRun(directory.path)
        weight = opened.model.get_parameter("history.embedding.weight")
        assert len(weight) == opened.encoding.schema.present.features
        assert export(directory.path, onnx=False)[0].exists()


WRONG = {
    "data.sequences={sean: item}": "data.sequences={sean: item}: no column of lists sean",
    "data.sequences={seen: itemm}": "data.sequences={seen: itemm}: no categorical field itemm",
    "data.sequences={item: item}": "no column of lists item",
    "data.sequences={seen: shops}": "no categorical field shops",
    "data.sequences={seen: shop}": "no training row has a list with a value that shop has",
    "data.sequences={seen: item} data.exclude=[seen]": "seen is excluded",
    "data.sequences={seen: item} data.exclude=[item]": "no categorical field item",
    "data.sequences={seen: item} data.history={user: shop, time: item, of: [item]}": "leave one",
    "data.history={length: 4}": "data.history: user is not given",
    "data.sequences=3": "data.sequences=3",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_no_sequence_is_refused_in_one_line(words: str, tmp_path: Path) -> None:
    path = write(make_rows(), tmp_path / "rows.parquet")
    keys = [f"data.{word}" for word in f" {words}".split(" data.")[1:]]
    results = f"results={tmp_path}/results"
    done = ctrbench("prepare", *TABLE, TYPES, f"data.path={path}", results, *keys)
    assert done.returncode == 1 and WRONG[words] in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith("ctrbench: ")
    assert not [*tmp_path.glob("results/stores/**/*.npy")]


def test_a_model_with_a_past_names_both_ways_to_declare_one(tmp_path: Path) -> None:
    path = write(make_rows(), tmp_path / "rows.parquet")
    done = ctrbench("train", "model=din", *TABLE, TYPES, f"data.path={path}")
    assert done.returncode == 1 and "data.sequences" in done.stderr
