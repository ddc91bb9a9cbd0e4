"""Models measured in turn: what is counted, how ratios are made, what is written. No timing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support import Compose, ctrbench, small
from torch.nn import functional as F

from ctrbench.bench.gpu.bench import plan_runs
from ctrbench.bench.limits import Operations, least_bytes
from ctrbench.bench.measurement import Measured
from ctrbench.bench.models import plan_measurement
from ctrbench.bench.step_times import plan_steps
from ctrbench.bench.synthetic import Rows, synthetic_part, synthetic_schema
from ctrbench.bench.timings import ratio_quartiles
from ctrbench.command.experiments import find_experiment
from ctrbench.config.verb_settings import bench_settings
from ctrbench.optim.registry import split_parameters

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
    ratios = ratio_quartiles([2.0, 40.0, 3.0, 8.0], [1.0, 20.0, 1.5, 4.0])
    assert set(ratios.values()) == {2.0}


def test_ids_that_are_made_fit_their_fields(tmp_path: Path) -> None:
    schema = synthetic_schema(2_000, crossed=True)
    assert schema.features == 2_000 and len(schema.fields) == 39
    sizes = [field.size for field in schema.fields]
    assert min(sizes) >= 2 and 200 < max(sizes) < 300
    for kind in ("real-like", "spread"):
        part = synthetic_part(schema, 3_000, kind, tmp_path)
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


def test_no_tuned_values_unless_they_are_asked_for() -> None:
    """Those of planted rows have a batch of 512 and L2, of some models."""
    words = ["model=lr,deepfm", "results=/tmp/none"]
    figure6 = plan_steps("figure6", find_experiment("figure6", words), words).runs
    gpu = list(plan_runs(words).values())
    for runs in (plan_measurement(words)[0], gpu):
        assert [run.trainer.batch_size for run in runs] == [None, None]
    assert [run.trainer.batch_size for run in figure6] == [4096, 4096]
    for run in (plan_measurement(words)[0][1], gpu[1], figure6[-1]):
        optimizer: Any = run.optimizer
        assert run.model.name == "deepfm" and optimizer.l2_embedding == optimizer.l2_network == 0
    own: Any = plan_measurement(["model=deepfm", "tuned=planted/deepfm"])[0][0]
    assert own.trainer.batch_size == 512 and own.optimizer.l2_embedding == 1e-7


def test_the_places_of_a_history(settings: Compose, tmp_path: Path) -> None:
    """A field of the past has a column for each row of it; the least that moves counts each, and
    as many numbers as the optimizer keeps."""
    found = {}
    for optimizer, words in {"adam": [], "adagrad": ["optimizer=adagrad"]}.items():
        run = settings(*small("din"), "trainer.batch_size=64", *words)
        own = bench_settings([word for word in SMALL if word.startswith("bench.")])
        cpu = torch.device("cpu")
        about = {"crossed": False, "history": run.data.history, "batch_size": 64, "device": cpu}
        measured = Measured(run, Rows(own, tmp_path, **about), cpu)  # type: ignore[arg-type]
        assert measured.places == 64 * (39 + 2 * 4) == next(measured.feeds["spread"])[0].numel()
        states = run.optimizer.states()
        found[optimizer] = least_bytes(measured.model, 64, 39 + 2 * 4, states, 9.0)
        tables, network = split_parameters(measured.model)
        moving = sum(p.numel() for p in network) + 9 * tables[0].shape[1]
        places = measured.places * (4 * tables[0].shape[1] + 2)
    assert len(tables) == 1 and found["adam"] == 4 * (8 * moving + places)
    assert found["adam"] - found["adagrad"] == 4 * 2 * moving


def test_a_table_without_crosses_is_not_read_by_theirs(settings: Compose, tmp_path: Path) -> None:
    run = settings(*small("wide_deep"), "trainer.batch_size=64")
    own = bench_settings([word for word in SMALL if word.startswith("bench.")])
    about: Any = {"crossed": True, "history": None, "batch_size": 64, "device": torch.device("cpu")}
    measured = Measured(run, Rows(own, tmp_path, **about), about["device"])
    slots, crosses = measured.schema.crossed.slots, len(measured.schema.crosses)
    tables, _ = split_parameters(measured.model)
    columns = sorted(table.shape[1] for table in tables)
    found = [least_bytes(measured.model, rows, slots, 2, 0.0) for rows in (0, 1)]
    read = slots * columns[0] + (slots - crosses) * columns[1]
    assert crosses > 0 and columns[0] == 1
    assert found[1] - found[0] == 4 * (4 * read + 2 * slots)


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
