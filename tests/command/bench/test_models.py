"""Models measured in turn: what is counted, how ratios are made, what is written. No timing."""

import json
from pathlib import Path

import pytest
import torch
from support import ctrbench
from torch.nn import functional as F

from ctrbench.command.bench.limits import Operations
from ctrbench.command.bench.made import made_part, made_schema
from ctrbench.command.bench.timed import paired

SMALL = [
    *("bench.features=2000", "bench.rows=256", "bench.rounds=2", "trainer.batch_size=64"),
    "threads=1",
]


def test_operations_are_counted_by_the_formula() -> None:
    """A layer forward (2 BIO, and the bias with it), relu (BO), and both products backward."""
    rows, inputs, outputs = 8, 5, 4
    x = torch.randn(rows, inputs, requires_grad=True)
    weight = torch.randn(outputs, inputs, requires_grad=True)
    operations = Operations()
    with operations:
        y = (x @ weight.T).relu()
    assert operations.count == 2 * rows * inputs * outputs + rows * outputs
    before = operations.count
    with operations:
        y.backward(torch.ones_like(y))
    backward = operations.count - before
    assert backward >= 4 * rows * inputs * outputs + rows * outputs
    assert backward < 4 * rows * inputs * outputs + 4 * rows * outputs


def test_a_table_counts_by_the_rows_that_are_read() -> None:
    table = torch.zeros(10_000, 3, requires_grad=True)
    ids, grad = torch.zeros(7, 2, dtype=torch.int64), torch.ones(7, 2, 3)
    operations = Operations()
    with operations:
        F.embedding(ids, table).backward(grad)
    assert operations.count == 2 * 7 * 2 * 3


def test_ratios_are_of_the_same_round() -> None:
    """A machine that is twice as slow in a round is so for both."""
    ratios = paired([2.0, 40.0, 3.0, 8.0], [1.0, 20.0, 1.5, 4.0])
    assert set(ratios.values()) == {2.0}


def test_ids_that_are_made_fit_their_fields(tmp_path: Path) -> None:
    schema = made_schema(2_000, crossed=True)
    assert schema.features == 2_000 and len(schema.fields) == 39
    sizes = [field.size for field in schema.fields]
    assert min(sizes) >= 2 and 200 < max(sizes) < 300
    for kind in ("real-like", "spread"):
        part = made_part(schema, 3_000, kind, tmp_path)
        assert (part.ids_NS.max(axis=0) < sizes).all() and part.ids_NS.min() == 0
        assert part.crosses_NC.shape == (3_000, 10) and 0.2 < part.labels_N.mean() < 0.3


def test_several_models(tmp_path: Path) -> None:
    done = ctrbench("bench", "model=deepfm,lr,wide_deep", *SMALL, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "| deepfm " in done.stdout and "time / LR" in done.stdout
    assert "| quartiles " in done.stdout and "products" not in done.stdout
    (path,) = tmp_path.rglob("models_fp32.json")
    figures = json.loads(path.read_text())
    by_name = {one["model"]: one for one in figures["models"]}
    assert list(by_name) == ["lr", "wide_deep", "deepfm"]  # as in every table
    assert by_name["lr"]["time_over_lr"]["median"] == by_name["lr"]["operations_over_lr"] == 1
    assert by_name["deepfm"]["operations_over_lr"] > 1_000
    assert by_name["wide_deep"]["places"] == 64 * 49 and by_name["lr"]["places"] == 64 * 39
    assert figures["environment"]["threads"] == 1 and figures["batch_size"] == 64


def test_without_lr_there_is_no_ratio(tmp_path: Path) -> None:
    done = ctrbench("bench", "model=fm,ffm", *SMALL, f"results={tmp_path}")
    assert "time / LR" not in done.stdout and "| ffm " in done.stdout, done.stderr
    (path,) = tmp_path.rglob("models_fp32.json")
    assert "time_over_lr" not in json.loads(path.read_text())["models"][0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model=lr", "seed=0,1"], "a list of models alone"),
        (["pears"], "bench pears: not known"),
        (["model=lr,fm", "bench.features=2000000000"], "together they take"),
    ],
)
def test_what_bench_refuses(words: list[str], message: str, tmp_path: Path) -> None:
    done = ctrbench("bench", *words, "bench.rows=64", f"results={tmp_path}")
    assert done.returncode == 1 and message in done.stderr
    assert not list(tmp_path.rglob("*.json"))
