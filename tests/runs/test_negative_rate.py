"""``data.negative_rate``: predictions of a run on sampled rows hold for all rows."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support import Compose, ctrbench, run, run_directory

from ctrbench.runs.interface import Run
from ctrbench.runs.opened import OpenedRun

RATE = 0.1
rng = np.random.default_rng(0)
ROWS = 20_000


def write_rows(folder: Path) -> tuple[Path, Path]:
    """All rows of a log, and those that are left where one negative in ten was kept."""
    shop = rng.integers(0, 20, ROWS)
    probability = 0.02 + 0.01 * (shop % 5)
    frame = pl.DataFrame(
        {
            "clicked": (rng.random(ROWS) < probability).astype(int),
            "shop": [f"s{i}" for i in shop],
            "day": [f"d{i}" for i in rng.integers(0, 7, ROWS)],
        }
    )
    everything, sampled = folder / "all.csv", folder / "sampled.csv"
    frame.write_csv(everything)
    is_kept = (frame["clicked"] == 1) | pl.Series(rng.random(ROWS) < RATE)
    frame.filter(is_kept).write_csv(sampled)
    return everything, sampled


def corrected(probabilities: Any) -> Any:
    """Equation of He et al. 2014, section 6.3, in numpy."""
    p = np.asarray(probabilities, np.float64)
    return p / (p + (1 - p) / RATE)


@pytest.fixture
def both(settings: Compose, tmp_path: Path) -> dict[str, Path]:
    """Runs of the same rows without and with the rate, and all rows."""
    everything, sampled = write_rows(tmp_path)
    words = ["model=lr", "data=table", "data.label=clicked", f"data.path={sampled}"]
    words += ["optimizer.lr=0.05", "trainer.epochs=15", "trainer.batch_size=128"]
    runs = {"rows": everything}
    for name, more in (("plain", []), ("corrected", [f"data.negative_rate={RATE}"])):
        own = settings(*words, *more)
        run(own)
        runs[name] = run_directory(own).path
    return runs


def printed(run_path: Path, rows: Path) -> Any:
    done = ctrbench("predict", str(run_path), str(rows))
    assert done.returncode == 0, done.stderr
    return np.array(done.stdout.split(), np.float64)


def test_every_way_out_gives_the_corrected_probabilities(both: dict[str, Path]) -> None:
    plain, own = printed(both["plain"], both["rows"]), printed(both["corrected"], both["rows"])
    np.testing.assert_allclose(own, corrected(plain), rtol=2e-5)
    frame = pl.read_csv(both["rows"])
    assert own.mean() == pytest.approx(frame["clicked"].mean(), rel=0.15)
    assert plain.mean() > 5 * own.mean()
    head = frame.head(50)
    np.testing.assert_allclose(Run(both["corrected"]).predictions(head), own[:50], rtol=1e-6)
    opened = OpenedRun(both["corrected"])
    inputs = opened.inputs(next(opened.source.slices_of(both["rows"])).read().head(50))
    for path in ctrbench("export", str(both["corrected"])).stdout.split():
        program = torch.export.load(path).module()
        scored = program(*inputs).sigmoid().detach().numpy()
        np.testing.assert_allclose(scored, own[:50], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("onnxscript") is None, reason="no onnxscript")
def test_onnx_gives_the_corrected_probabilities(both: dict[str, Path]) -> None:
    reference = pytest.importorskip("onnx.reference")
    opened = OpenedRun(both["corrected"])
    ids, values = opened.inputs(next(opened.source.slices_of(both["rows"])).read().head(20))
    done = ctrbench("export", str(both["corrected"]), "onnx=true")
    (path,) = [line for line in done.stdout.split() if line.endswith(".onnx")]
    evaluator = reference.ReferenceEvaluator(path)
    feeds = {"ids_BS": ids.numpy(), "values_BX": values.numpy()}
    names = [i.name for i in evaluator.proto_.graph.input]
    logits = evaluator.run(None, {name: feeds[name] for name in names})[0]
    expected = printed(both["corrected"], both["rows"])[:20]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, rtol=1e-5)


def test_calibration_before_and_after(both: dict[str, Path]) -> None:
    """Before: of the rows that are here. After: each negative stands for ten."""
    own = Run(both["corrected"])
    assert own.result is not None
    figures = own.result["metrics"]["test"]
    p, labels = 1 / (1 + np.exp(-own.logits.astype(np.float64))), own.labels
    before = p.sum() / labels.sum()
    stands_for = np.where(labels == 1, 1, 1 / RATE)
    after = (corrected(p) * stands_for).sum() / labels.sum()
    assert figures["predicted_over_observed"] == pytest.approx(before, rel=1e-9)
    assert figures["corrected_predicted_over_observed"] == pytest.approx(after, rel=1e-9)
    plain = Run(both["plain"])
    np.testing.assert_array_equal(plain.logits, own.logits)
    assert plain.result is not None
    assert "corrected_predicted_over_observed" not in plain.result["metrics"]["test"]


def test_data_and_report_say_it(both: dict[str, Path], tmp_path: Path) -> None:
    words = ["data=table", "data.label=clicked", f"data.path={tmp_path}/sampled.csv"]
    words += [f"data.negative_rate={RATE}", f"results={tmp_path}"]
    assert "0.1 are kept" in ctrbench("data", *words).stdout
    report = ctrbench("report", str(both["corrected"]), f"results={tmp_path}")
    assert report.returncode == 0, report.stderr
    text = "".join(page.read_text() for page in tmp_path.rglob("report/**/*.html"))
    assert "corrected for the sampling" in text


@pytest.mark.parametrize("rate", ["0", "-0.1", "1.5", "nan", "few"])
def test_what_is_no_rate_is_refused(rate: str, tmp_path: Path) -> None:
    done = ctrbench("data", "data=planted", f"data.negative_rate={rate}", f"results={tmp_path}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "data.negative_rate" in done.stderr
