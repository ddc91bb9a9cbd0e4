"""Runs of models that read histories: raw rows are scored by the file's own earlier rows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from support import Compose, ctrbench, run, run_directory

from ctrbench.runs.export import export
from ctrbench.runs.opened import OpenedRun

PAST = "data.history={user: who, time: seen, of: [item], length: 3, labels: true}"


def rows(users: str, count: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "clicked": rng.integers(2, size=count),
            "who": [f"{users}{u}" for u in rng.integers(count // 8, size=count)],
            "seen": rng.integers(count // 4, size=count),
            "item": [f"i{i}" for i in rng.integers(20, size=count)],
        }
    )


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    """Of users of their own: what is before a test row is all in its file."""
    paths = {part: folder / f"past-{part}.csv" for part in ("train", "valid", "test")}
    for seed, (part, path) in enumerate(paths.items()):
        rows(part, 600 if part == "train" else 200, seed).write_csv(path)
    return paths


def finished(name: str, shared: Compose, files: dict[str, Path]) -> Any:
    words = [f"model={name}", "data=table", "data.label=clicked", "data.exclude=[who]", PAST]
    words += [f"data.{part}={path}" for part, path in files.items()]
    words += ["data.types=[who:category,seen:number,item:category]", "data.min_count=1"]
    small = [] if name == "rnn" else ["model.hidden=[8]"]
    small += ["model.state_dim=8"] if name in ("rnn", "gru4ctr") else []
    own = shared(*words, *small, "trainer.epochs=1", "model.init_std=0.5")
    run(own)
    return run_directory(own)


@pytest.mark.parametrize("name", ["gru4ctr", "din", "deepfm"])
def test_predictions(name: str, shared: Compose, files: dict[str, Path]) -> None:
    directory = finished(name, shared, files)
    expected = 1 / (1 + np.exp(-np.load(directory.logits).astype(np.float64)))
    done = ctrbench("predict", str(directory.path), str(files["test"]))
    assert done.returncode == 0 and "of the file's own earlier rows" in done.stderr
    np.testing.assert_allclose([float(p) for p in done.stdout.split()], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["rnn", "gru4ctr", "din"])
def test_programs(name: str, shared: Compose, files: dict[str, Path]) -> None:
    import onnxruntime

    directory = finished(name, shared, files)
    opened = OpenedRun(directory.path)
    frame = next(opened.source.slices_of(files["test"])).read()
    expected = opened.logits(frame).sigmoid()
    ids, values = opened.inputs(frame)
    program, onnx = export(directory.path, onnx=True)  # no encoder.json
    loaded = torch.export.load(program).module()
    np.testing.assert_allclose(loaded(ids, values).detach().sigmoid(), expected, atol=1e-6)
    assert loaded(ids[:0], values[:0]).shape == (0,)
    given = {"ids_BS": ids.numpy(), "values_BX": values.numpy()}
    session = onnxruntime.InferenceSession(str(onnx))
    names = {one.name for one in session.get_inputs()}
    (logits,) = session.run(None, {key: given[key] for key in given if key in names})
    np.testing.assert_allclose(torch.tensor(logits).sigmoid(), expected, atol=1e-6)
    assert session.run(None, {key: given[key][:0] for key in names})[0].shape == (0,)


def test_a_file_in_slices(
    shared: Compose, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The past reaches over slices, and a row sees no later one: a file's first rows alone are
    scored the same."""
    directory = finished("din", shared, files)
    opened = OpenedRun(directory.path)
    frame = pl.read_csv(files["test"]).sort("seen", maintain_order=True)
    frame.write_parquet(tmp_path / "all.parquet")
    frame.head(120).drop("clicked").write_parquet(tmp_path / "first.parquet")
    whole = torch.cat([logits for _, logits in opened.scored(tmp_path / "all.parquet")])
    monkeypatch.setattr("ctrbench.data.sources.parquet.SLICE_ROWS", 50)
    pieces = [logits for _, logits in opened.scored(tmp_path / "first.parquet")]
    assert len(pieces) == 3
    torch.testing.assert_close(torch.cat(pieces), whole[:120])


def test_rows_without_their_user(shared: Compose, files: dict[str, Path], tmp_path: Path) -> None:
    directory = finished("din", shared, files)
    pl.read_csv(files["test"]).drop("who").write_csv(tmp_path / "rows.csv")
    done = ctrbench("predict", str(directory.path), str(tmp_path / "rows.csv"))
    assert done.returncode == 1 and "rows.csv: no column who; known here" in done.stderr


def test_a_mood_is_found_by_the_labels_of_past_rows(settings: Compose) -> None:
    """Of rows whose logit is a user's mood for the most part; little is left then."""
    words = ["model=rnn", "model.embedding_dim=2", "model.state_dim=8", "optimizer.lr=0.02"]
    words += ["data.rows=12000", "data.effects=[1,0,0,0]", "data.mood=0.8", "data.vocabulary=10"]
    words += ["trainer.epochs=3", "trainer.batch_size=256"]
    past = "data.history={user: user, time: time, of: [C1], length: 12, labels: %s}"
    left = {
        labels: run(settings(*words, past % labels))["metrics"]["test"]["excess_logloss"]
        for labels in ("false", "true")
    }
    assert 0 < left["true"] < 0.6 * left["false"]
