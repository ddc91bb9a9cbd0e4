"""What is done with a finished run: predictions, exported programs; and a look at data."""

import hashlib
import io
import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file
from support import FEW, KINDS, REAL, Compose, ctrbench, needs_real_rows, run, run_directory, small

from ctrbench.data.schema import TRUTH
from ctrbench.data.sources.criteo import Criteo, to_text
from ctrbench.data.sources.planted import Planted
from ctrbench.errors import UserError
from ctrbench.files import seal
from ctrbench.runs.export import export
from ctrbench.runs.opened import OpenedRun
from ctrbench.runs.predict import predict
from ctrbench.runs.record import RunDirectory

ENCODINGS = "data.encodings=[I1:value,I2:quantile]"
LEFT_OUT = [*(f"I{i}" for i in range(4, 14)), *(f"C{i}" for i in range(6, 27))]
CROSSES = ["model.crosses=[[C1,C2],[C3,C4,C5]]", "model.cross_min_count=1"]
SOME_STEPS = ["trainer.batch_size=32"]  # for running figures that are those of the rows
OWN = {"wide_deep": CROSSES, "afn": SOME_STEPS, "afn_plus": SOME_STEPS}


def finished(shared: Compose, rows_file: Path, name: str, *words: str) -> RunDirectory:
    """A run on the file, in its order: the last 60 rows are the test rows."""
    files = ["data=criteo", f"data.path={rows_file}", "split=order", "data.min_count=1"]
    files += [ENCODINGS, f"data.exclude=[{','.join(LEFT_OUT)}]"]
    own = shared(*small(name), *files, *OWN.get(name, []), *words)
    run(own)
    return run_directory(own)


def predicted(directory: Path, file: Path) -> Any:
    """The numbers that ``predict`` writes."""
    out = io.BytesIO()
    predict(directory, file, out)
    return np.array(out.getvalue().split(), np.float64)


def probabilities(directory: RunDirectory) -> Any:
    """Of the test rows, by the logits that the run kept."""
    return 1 / (1 + np.exp(-np.load(directory.logits).astype(np.float64)))


@pytest.fixture(scope="module")
def test_rows(rows_file: Path, folder: Path) -> Path:
    """The file of the rows that the runs above are tested on."""
    path = folder / "test-rows.txt"
    path.write_text("".join(rows_file.read_text().splitlines(keepends=True)[540:]))
    return path


@pytest.mark.parametrize("name", KINDS)
def test_predictions_are_those_of_the_run(
    name: str, shared: Compose, rows_file: Path, test_rows: Path, tmp_path: Path
) -> None:
    """With labels and without, by a copy of the run alone, in the file's order."""
    directory = finished(shared, rows_file, name)
    copy = shutil.copytree(directory.path, tmp_path / "copy")
    unlabelled = tmp_path / "unlabelled.txt"
    rows = test_rows.read_text().splitlines(keepends=True)
    unlabelled.write_text("".join(row.partition("\t")[2] for row in rows))
    for file in (test_rows, unlabelled):
        np.testing.assert_allclose(predicted(copy, file), probabilities(directory), atol=1e-6)


def test_a_run_in_bf16_predicts_in_bf16(shared: Compose, rows_file: Path, test_rows: Path) -> None:
    """The same as it was tested by; other weights than in fp32, and other logits by the same."""
    half = finished(shared, rows_file, "deepfm", "precision=bf16")
    full = finished(shared, rows_file, "deepfm")
    np.testing.assert_allclose(predicted(half.path, test_rows), probabilities(half), atol=1e-6)
    assert not np.allclose(np.load(half.logits), np.load(full.logits), atol=1e-4)
    weights = [load_file(directory.weights) for directory in (half, full)]
    assert any(not torch.equal(w, weights[1][name]) for name, w in weights[0].items())
    opened = OpenedRun(half.path)
    frame = next(Criteo(opened.data).slices_of(test_rows)).read()
    given = opened.logits(frame)
    opened.precision = "fp32"
    assert 1e-5 < float((opened.logits(frame) - given).abs().max()) < 0.1


@pytest.mark.parametrize("name", (*FEW, "autoint", "afn"))
def test_exported_programs_give_the_same(name: str, shared: Compose, rows_file: Path) -> None:
    import onnxruntime

    directory = finished(shared, rows_file, name).path
    opened = OpenedRun(directory)
    frame = next(Criteo(opened.data).slices_of(rows_file)).read()
    ids, values = opened.inputs(frame)
    expected = opened.logits(frame).sigmoid()
    program, onnx, _ = export(directory, onnx=True)
    loaded = torch.export.load(program).module()
    np.testing.assert_allclose(loaded(ids, values).detach().sigmoid(), expected, atol=1e-6)
    session = onnxruntime.InferenceSession(str(onnx))
    (logits,) = session.run(None, {"ids_BS": ids.numpy(), "values_BX": values.numpy()})
    np.testing.assert_allclose(torch.tensor(logits).sigmoid(), expected, atol=1e-6)
    assert loaded(ids[:0], values[:0]).shape == (0,)
    none = {"ids_BS": ids[:0].numpy(), "values_BX": values[:0].numpy()}
    assert session.run(None, none)[0].shape == (0,)


def test_onnx_is_asked_for_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"need onnx: pip install"):
        export(Path("no run"), onnx=True)


def flip(path: Path) -> None:
    """Change a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # it may be a second name of a store's
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def rewrite(**keys: Any) -> Any:
    """Change keys of the model in a run's settings, as if it had been trained with them."""

    def change(path: Path) -> None:
        config = yaml.safe_load(path.read_text())
        config["model"] |= keys
        path.write_text(yaml.safe_dump(config))
        record = path.with_name("result.json")
        result = json.loads(record.read_text())
        result["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        record.write_text(json.dumps(seal(result)))

    return change


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("model.safetensors", flip, "not the weights that were trained here"),
        ("model.safetensors", truncate, "not the weights that were trained here"),
        ("model.safetensors", Path.unlink, "not the weights that were trained here"),
        ("encoder/vocabulary/00000.parquet", flip, "not what rows were encoded by here"),
        ("encoder/crosses/001.parquet", flip, "not what rows were encoded by here"),
        ("encoder", shutil.rmtree, "not what rows were encoded by here"),
        ("config.yaml", Path.unlink, "no such file"),
        ("config.yaml", lambda path: path.write_text("[a"), "not YAML"),
        ("config.yaml", lambda path: path.write_text("a: 1"), "not the config of a run"),
        ("config.yaml", rewrite(newer=1), "not the settings of a run of this version"),
        ("config.yaml", rewrite(embedding_dim=3), "is another than that of model.safetensors"),
    ],
)
def test_a_run_that_was_changed(
    file: str, change: Any, message: str, shared: Compose, rows_file: Path, tmp_path: Path
) -> None:
    """One line that names the file, whatever was done to it."""
    directory = finished(shared, rows_file, "wide_deep")
    copy = shutil.copytree(directory.path, tmp_path / "copy")
    change(copy / file)
    with pytest.raises(UserError) as caught:
        OpenedRun(copy)
    line = str(caught.value)
    assert (
        line.startswith(str(copy / file.partition("/")[0])) and message in line and "\n" not in line
    )
    OpenedRun(directory.path)


def test_one_line_for_a_mistake(
    shared: Compose, rows_file: Path, test_rows: Path, tmp_path: Path
) -> None:
    directory = finished(shared, rows_file, "lr").path
    planted = shared("model=lr")
    run(planted)
    for words, message in {
        f"predict {directory}": "predict takes a run's directory and a file",
        f"predict {tmp_path} {rows_file}": "not a finished run",
        f"predict {directory} /no/file": "/no/file: no such file",
        f"predict {run_directory(planted).path} {rows_file}": "data=planted is not a file of",
        f"export {tmp_path}": "not a finished run",
        "rows data=criteo": "needs data.path",
    }.items():
        done = ctrbench(*words.split())
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    (directory / "result.json").rename(tmp_path / "result.json")
    done = ctrbench("predict", str(directory), str(test_rows))
    (tmp_path / "result.json").rename(directory / "result.json")
    assert done.returncode == 1 and "not a finished run" in done.stderr
    assert done.stderr.count("\n") == 1


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
    printed = ctrbench("data", *words, f"results={tmp_path}").stdout
    lines = [[cell.strip() for cell in line.split("|")] for line in printed.splitlines()]
    auc = {line[1]: float(line[-2]) for line in lines if len(line) == 11 and "." in line[-2]}
    assert auc["leak"] == 1 and 0.65 < auc["hint"] < 0.75 and 0.35 < auc["noise"] < 0.65
    assert 0.7 < auc["amount"] < 0.82
    assert "look: field leak alone gives an AUC of 1.0000" in printed
    (path,) = tmp_path.glob("report/data-table-*/index.html")
    page = path.read_text()
    assert "leak" in page and 'role="img"' in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)


def test_a_look_warns_of_parts_of_different_rates(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = []
    for part, rate in {"train": 0.2, "valid": 0.2, "test": 0.4}.items():
        frame = pl.DataFrame({"y": rng.random(2000) < rate, "a": rng.integers(9, size=2000)})
        frame.write_csv(tmp_path / f"{part}.csv")
        words.append(f"data.{part}={tmp_path / part}.csv")
    words += ["data=table", "data.label=y", f"results={tmp_path}"]
    printed = ctrbench("data", *words).stdout
    assert "look: the positive rate of the test rows is 0.4" in printed
    assert "of the valid rows" not in printed


@needs_real_rows
def test_unlabelled_real_rows(settings: Compose, caplog: pytest.LogCaptureFixture) -> None:
    path = REAL / "criteo" / "train-first-10000.txt.xz"
    own = settings("model=lr", "data=criteo", f"data.path={path}", "trainer.epochs=3")
    run(own)
    caplog.set_level(logging.INFO)
    file = REAL / "criteo" / "test-unlabelled-18181.txt.xz"
    given = predicted(run_directory(own).path, file)
    assert len(given) == 18_181 and 0.1 < given.mean() < 0.4
    assert "18,181 rows" in caplog.text and "AUC" not in caplog.text.rpartition("rows")[2]
