"""What is done with a finished run: predictions, exported programs; and a look at data."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from support import REAL, Compose, ctrbench, needs_real_rows, run, run_directory, small

from ctrbench.data.schema import LABEL, TRUTH
from ctrbench.data.sources.criteo import Criteo, to_text
from ctrbench.data.sources.planted import Planted
from ctrbench.models import registry
from ctrbench.runs.export import export
from ctrbench.runs.opened import OpenedRun
from ctrbench.runs.settings import RunSettings

ENCODINGS = "data.encodings=[I1:value,I2:quantile]"
CROSSES = ["model.crosses=[[C1,C2],[C3,C4,C5]]", "model.cross_min_count=1"]


def finished(settings: Compose, criteo_file: Path, name: str) -> RunSettings:
    """A run on the file, in its order: the last 60 rows are the test rows."""
    words = CROSSES if name == "wide_deep" else []
    files = ["data=criteo", f"data.path={criteo_file}", "split=order", "data.min_count=1"]
    own = settings(*small(name), *files, ENCODINGS, *words, "predictions=true")
    run(own)
    return own


@pytest.mark.parametrize("name", registry.names())
def test_predictions_are_those_of_the_run(
    name: str, settings: Compose, criteo_file: Path, tmp_path: Path
) -> None:
    """With labels and without, by the vocabularies of the run, in the file's order."""
    directory = run_directory(finished(settings, criteo_file, name))
    rows = criteo_file.read_text().splitlines()[540:]
    expected = np.load(directory.predictions)
    for cut in (0, 1):
        file = tmp_path / f"rows-{cut}.txt"
        file.write_text("".join("\t".join(row.split("\t")[cut:]) + "\n" for row in rows))
        out = tmp_path / "out.txt"
        with out.open("wb") as stream:
            from ctrbench.runs.predict import predict

            predict(directory.path, file, stream)
        got = np.array(out.read_text().split(), np.float32)
        np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("name", registry.names())
def test_exported_programs_give_the_same(name: str, settings: Compose, criteo_file: Path) -> None:
    import onnxruntime

    directory = run_directory(finished(settings, criteo_file, name)).path
    opened = OpenedRun(directory)
    frame = next(Criteo(opened.data).slices_of(criteo_file)).read()
    ids, values = opened.inputs(frame)
    expected = opened.logits(frame).sigmoid()
    program, onnx = export(directory, onnx=True)
    loaded = torch.export.load(program).module()
    np.testing.assert_allclose(loaded(ids, values).detach().sigmoid(), expected, atol=1e-6)
    session = onnxruntime.InferenceSession(str(onnx))
    (logits,) = session.run(None, {"ids_BS": ids.numpy(), "values_BX": values.numpy()})
    np.testing.assert_allclose(torch.tensor(logits).sigmoid(), expected, atol=1e-6)


def test_one_line_for_a_mistake(settings: Compose, criteo_file: Path, tmp_path: Path) -> None:
    directory = run_directory(finished(settings, criteo_file, "lr")).path
    planted = settings("model=lr")
    run(planted)
    for words, message in {
        f"predict {directory}": "predict takes a run's directory and a file",
        f"predict {tmp_path} {criteo_file}": "not a finished run",
        f"predict {directory} /no/file": "/no/file: no such file",
        f"predict {run_directory(planted).path} x": "data=planted is not a file of rows",
        f"export {tmp_path}": "not a finished run",
        "rows data=criteo": "needs data.path",
    }.items():
        done = ctrbench(*words.split())
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    shutil.copytree(directory, tmp_path / "copy")
    done = ctrbench("predict", str(tmp_path / "copy"), str(criteo_file))
    assert done.returncode == 1 and "the vocabularies of" in done.stderr
    for store in tmp_path.glob("stores/criteo/*/store.json"):
        store.rename(store.with_name("gone"))
    done = ctrbench("predict", str(directory), str(criteo_file))
    assert done.returncode == 1 and "the vocabularies of" in done.stderr


def test_planted_rows_in_criteos_layout(settings: Compose, tmp_path: Path) -> None:
    own = settings("data.rows=70000")
    frame = pl.concat([piece.read() for piece in Planted(own.data).slices()])
    path = tmp_path / "rows.txt"
    path.write_bytes(to_text(frame))
    read = pl.concat([p.read() for p in Criteo(settings("data=criteo").data).slices_of(path)])
    assert read.equals(frame.drop(TRUTH).select(read.columns))
    done = ctrbench("rows", "data.rows=10", "data.vocabulary=50")
    assert done.stdout == "".join(path.read_text().splitlines(keepends=True)[:10])


def test_a_look_at_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clicks = rng.integers(2, size=3000)
    frame = pl.DataFrame(
        {
            "clicked": clicks,
            "leak": np.where(clicks, "yes", "no"),
            "hint": (clicks + (rng.random(3000) < 0.3)) % 2,
            "noise": rng.integers(5, size=3000),
            "amount": rng.normal(size=3000) + clicks,
        }
    )
    path = tmp_path / "rows.csv"
    frame.write_csv(path)
    words = ["data=table", f"data.path={path}", "data.label=clicked", "data.numeric=value"]
    done = ctrbench("data", *words, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    auc = {line[1]: float(line[-2]) for line in lines if len(line) == 11 and "." in line[-2]}
    assert auc["leak"] == 1 and 0.65 < auc["hint"] < 0.75 and 0.45 < auc["noise"] < 0.55
    assert 0.7 < auc["amount"] < 0.82
    assert "look: field leak alone gives an AUC of 1.0000" in done.stdout
    (path,) = tmp_path.glob("report/data-table-*/index.html")
    page = path.read_text()
    assert "leak tells most by itself" in page and 'role="img"' in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)


def test_a_look_warns_of_parts_of_different_rates(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = []
    for part, rate in {"train": 0.2, "valid": 0.2, "test": 0.4}.items():
        frame = pl.DataFrame({"y": rng.random(2000) < rate, "a": rng.integers(9, size=2000)})
        frame.write_csv(tmp_path / f"{part}.csv")
        words.append(f"data.{part}={tmp_path / part}.csv")
    done = ctrbench("data", "data=table", "data.label=y", *words, f"results={tmp_path}")
    assert "look: the positive rate of the test rows is 0.4" in done.stdout
    assert "of the valid rows" not in done.stdout


@needs_real_rows
def test_unlabelled_real_rows(settings: Compose, tmp_path: Path) -> None:
    path = REAL / "criteo" / "train-first-10000.txt.xz"
    own = settings("model=lr", "data=criteo", f"data.path={path}", "trainer.epochs=3")
    run(own)
    file = REAL / "criteo" / "test-unlabelled-18181.txt.xz"
    done = ctrbench("predict", str(run_directory(own).path), str(file))
    probabilities = np.array(done.stdout.split(), float)
    assert len(probabilities) == 18_181 and 0.1 < probabilities.mean() < 0.4
    assert LABEL.strip("_") not in done.stderr
