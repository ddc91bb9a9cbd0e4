"""``data.weight``: weights of rows in the loss and in the metrics, beside scikit-learn's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from support import Compose, ctrbench, run, run_directory, store_of

from ctrbench import metrics
from ctrbench.data.batches import Batches
from ctrbench.data.static_inputs import static_inputs
from ctrbench.report.judged.statistics import auc_components
from ctrbench.runs.interface import Run
from ctrbench.training import validation
from ctrbench.training.step import Step

rng = np.random.default_rng(0)
ROWS = 1_500
FRAME = pl.DataFrame(
    {
        "clicked": rng.integers(0, 2, ROWS),
        "city": rng.choice(list("abcdefgh"), ROWS),
        "shop": rng.choice(list("vwxyz"), ROWS),
        "price": rng.lognormal(size=ROWS).round(3),
        "user": [f"u{i}" for i in rng.integers(0, 25, ROWS)],
        "w": rng.integers(0, 5, ROWS) * 0.3,
    }
)
CPU = torch.device("cpu")
WORDS = ["data=table", "data.label=clicked", "split=order"]
WEIGHT = "data.weight=w"


def table(folder: Path, frame: pl.DataFrame = FRAME, name: str = "rows.csv") -> list[str]:
    path = folder / name
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    return [*WORDS, f"data.path={path}"]


def scores(rows: int = 700) -> tuple[np.ndarray[Any, Any], ...]:
    """Tied logits, labels, weights (some 0) and groups (some none, some of one class)."""
    logits = rng.normal(size=rows).round(1).astype(np.float32)
    weights = (rng.integers(0, 4, rows) * rng.random(rows)).astype(np.float32)
    return logits, rng.integers(0, 2, rows), weights, rng.integers(-1, 150, rows).astype(np.int32)


def test_metrics_are_those_of_scikit_learn() -> None:
    logits, labels, weights, groups = scores()
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    auc = roc_auc_score(labels, logits, sample_weight=weights)
    loss = log_loss(labels, probabilities, sample_weight=weights)
    figures = metrics.score(logits, labels, weights)
    assert figures == pytest.approx({"auc": auc, "logloss": loss}, abs=1e-12)
    tensors = [torch.from_numpy(array) for array in (logits, labels, weights)]
    assert validation.score(*tensors) == figures
    ratio = (weights * probabilities).sum() / (weights * labels).sum()
    beside = metrics.beside(logits, labels, groups, weights)
    assert beside["predicted_over_observed"] == pytest.approx(ratio, rel=1e-6)
    total = above = 0.0
    for group in range(150):
        own = (groups == group) & (weights > 0)
        if len(np.unique(labels[own])) == 2:
            size = float(weights[own].sum())
            above += size * roc_auc_score(labels[own], logits[own], sample_weight=weights[own])
            total += size
    assert beside["gauc"] == pytest.approx(above / total, abs=1e-9)


def test_components_of_a_paired_test_have_the_weighted_mean() -> None:
    logits, labels, weights, _ = scores()
    auc = roc_auc_score(labels, logits, sample_weight=weights)
    positive, negative = auc_components(logits, labels, weights)
    assert positive.mean(dtype=float) == pytest.approx(auc, abs=1e-6)
    assert negative.mean(dtype=float) == pytest.approx(auc, abs=1e-6)


def test_equal_weights_are_none() -> None:
    logits, labels, _, groups = scores()
    weights = np.full(len(labels), 0.3, np.float32)
    plain = metrics.score(logits, labels) | metrics.beside(logits, labels, groups)
    same = metrics.score(logits, labels, weights) | metrics.beside(logits, labels, groups, weights)
    assert same == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize("kind", ["rows.csv", "rows.parquet"])
def test_the_weight_is_kept_and_no_feature(kind: str, settings: Compose, tmp_path: Path) -> None:
    store = store_of(settings(*table(tmp_path, name=kind), WEIGHT))
    weights = [store.part(name).weights_N for name in ("train", "valid", "test")]
    assert all(array is not None for array in weights)
    np.testing.assert_allclose(np.concatenate(weights), FRAME["w"], rtol=1e-6)  # type: ignore[arg-type]
    assert "w" not in [field.name for field in store.schema.fields]


@pytest.mark.parametrize("rows_in", ["device", "host", "disk"])
def test_the_loss_is_the_weighted_mean(rows_in: str, settings: Compose, tmp_path: Path) -> None:
    """Of every batch, the last one too, eager and from static buffers; weights have the mean 1."""
    part = store_of(settings(*table(tmp_path), WEIGHT)).part("train")
    part = replace(part, values_NX=np.arange(len(part.labels_N), dtype=np.float32)[:, None])
    batches = Batches(part, 512, CPU, rows_in)
    assert batches.steps * batches.batch_size >= batches.rows
    model = torch.nn.Module()
    model.forward = lambda ids, values: values[:, 0] / 1000 - 0.5  # type: ignore[method-assign]
    step = Step(model, torch.optim.SGD([torch.zeros(1)]), "fp32")
    inputs = static_inputs(batches)
    inputs.begin(3, 1, 0)
    assert part.weights_N is not None
    weights_N = part.weights_N / part.weights_N.mean(dtype=np.float64)
    for number, batch in enumerate(batches.epoch(3, 1)):
        rows = batch[1][:, 0].numpy().astype(int)
        z, y, w = rows / 1000 - 0.5, part.labels_N[rows], weights_N[rows]
        expected = (w * (np.logaddexp(0, z) - y * z)).mean()
        assert float(step.forward(batch)) == pytest.approx(expected, rel=1e-5)
        inputs.prepare(number)
        static = inputs.batch(torch.tensor([number]))
        assert all(torch.equal(a, b) for a, b in zip(batch, static, strict=True))


def weights_of_model(settings: Compose, *words: str) -> bytes:
    own = settings(*words, "trainer.epochs=2", "trainer.batch_size=256")
    run(own)
    return run_directory(own).weights.read_bytes()


def test_equal_weights_train_the_same_bytes(settings: Compose, tmp_path: Path) -> None:
    equal = FRAME.with_columns(w=pl.lit(0.5))
    words = ["model=deepfm", "model.hidden=[8]", *table(tmp_path, equal)]
    plain = weights_of_model(settings, *words, "data.types=[w:skip]")
    assert weights_of_model(settings, *words, WEIGHT) == plain


def test_weights_change_the_model(settings: Compose, tmp_path: Path) -> None:
    words = ["model=lr", *table(tmp_path)]
    plain = weights_of_model(settings, *words, "data.types=[w:skip]")
    assert weights_of_model(settings, *words, WEIGHT) != plain


def test_rows_of_weight_two_are_two_rows(settings: Compose, tmp_path: Path) -> None:
    """In the metrics of a run, which are recorded with the weights of its test rows."""
    frame = FRAME.with_columns(w=pl.Series(rng.integers(0, 3, ROWS)))
    own = settings("model=lr", *table(tmp_path, frame), WEIGHT, "data.group=user")
    result = run(own)
    store, done = store_of(own), Run(run_directory(own).path)
    part = store.part("test")
    assert part.weights_N is not None and done.row_weights is not None
    np.testing.assert_array_equal(done.row_weights, part.weights_N)
    twice = np.repeat(np.arange(len(part.labels_N)), part.weights_N.astype(int))
    figures = metrics.score(done.logits[twice], done.labels[twice])
    figures |= metrics.beside(done.logits[twice], done.labels[twice], None)
    recorded = result["metrics"]["test"]
    assert {name: recorded[name] for name in figures} == pytest.approx(figures, rel=1e-9)
    assert recorded["gauc"] is not None


def test_the_best_epoch_is_by_weighted_rows(settings: Compose, tmp_path: Path) -> None:
    own = settings("model=lr", *table(tmp_path), WEIGHT, "trainer.epochs=3", "trainer.patience=9")
    result = run(own)
    history = Run(run_directory(own).path).history
    assert result["metrics"]["valid"]["auc"] == history["valid_auc"].max()
    store = store_of(own)
    directory = run_directory(own)
    scored = ctrbench("predict", str(directory.path), str(tmp_path / "rows.csv"))
    probabilities = np.array(scored.stdout.split(), float)[1200:1350]
    auc = roc_auc_score(
        FRAME["clicked"][1200:1350], probabilities, sample_weight=FRAME["w"][1200:1350]
    )
    assert history["valid_auc"].max() == pytest.approx(auc, abs=1e-6)
    assert store.manifest["parts"]["valid"]["rows"] == 150


def test_rows_for_other_systems_have_the_weight(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    done = ctrbench("rows", *table(tmp_path), WEIGHT, f"out={folder}", f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    parts = [pl.read_parquet(folder / f"{name}.parquet") for name in ("train", "valid", "test")]
    np.testing.assert_array_equal(pl.concat(parts)["w"], FRAME["w"])


BAD: dict[str, tuple[str, str]] = {
    "negative": ("-1", "line 8"),
    "NaN": ("nan", "line 8"),
    "empty": ("", "line 8"),
    "text": ("much", "line 8"),
    "infinite": ("inf", "line 8"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_weight_is_named(case: str, tmp_path: Path) -> None:
    cell, where = BAD[case]
    cells = pl.Series("w", ["1"] * 6 + [cell] + ["2"] * (ROWS - 7))
    words = table(tmp_path, FRAME.with_columns(cells))
    done = ctrbench("prepare", *words, WEIGHT, f"results={tmp_path}/results")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert where in done.stderr and "column w" in done.stderr
    assert not list(tmp_path.rglob("*.npy"))


REFUSED = {
    "all zero": (["data.weight=zero"], "data.weight=zero"),
    "of no click": (["data.weight=half"], "data.weight=half"),
    "no column": (["data.weight=v"], "data.weight=v"),
    "the label": (["data.weight=clicked"], "data.weight=clicked"),
    "declared": ([WEIGHT, "data.types=[w:number]"], "data.types=w:number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_weight_is_refused(case: str, tmp_path: Path) -> None:
    words, message = REFUSED[case]
    frame = FRAME.with_columns(zero=pl.lit(0), half=1 - pl.col("clicked"))
    done = ctrbench("prepare", *table(tmp_path, frame), *words, f"results={tmp_path}/results")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not list(tmp_path.rglob("*.npy"))


def test_data_and_report_say_it(tmp_path: Path) -> None:
    own = [*table(tmp_path), WEIGHT, f"results={tmp_path}/results"]
    assert "weighted by w" in ctrbench("data", *own).stdout
    for model in ("lr", "fm"):
        words = ["device=cpu", "tuned=none", "trainer.epochs=1"]
        done = ctrbench("train", f"model={model}", *own, *words)
        assert done.returncode == 0, done.stderr
    report = ctrbench("report", f"results={tmp_path}/results")
    assert report.returncode == 0 and "broken" not in report.stdout, report.stdout
    (page,) = tmp_path.rglob("report/runs/index.html")
    assert "weighted by w" in page.read_text()
    tenths = pl.read_csv(next(tmp_path.rglob("calibration.csv")))
    lr = tenths.filter(pl.col("model") == "lr")
    weights = FRAME["w"][1350:]
    rate = (FRAME["clicked"][1350:] * weights).sum() / weights.sum()
    paths = list(tmp_path.rglob("row_weights.npy"))
    assert len(paths) == 2 and (lr["effective"] <= lr["rows"] + 1e-9).all()
    assert lr["observed"].min() <= rate <= lr["observed"].max()
