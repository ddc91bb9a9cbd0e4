"""Exported programs with what encodes raw rows, by the reader of the documentation."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from scipy.special import expit
from support import Compose, run, run_directory, slow
from support import ctrbench as command

from ctrbench import __version__
from ctrbench.errors import UserError
from ctrbench.runs.export import export
from ctrbench.runs.interface import Run

PAGE = Path(__file__).parents[2] / "docs/serving.md"
CROSSES = "model.crosses=[[shop,day],[day,price]]"


def blocks_of_page() -> dict[str, str]:
    return dict(
        re.findall(r'^```python title="(.*?)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.M)
    )


@pytest.fixture(scope="module")
def reader() -> Any:
    """The module that the page shows."""
    names: dict[str, Any] = {}
    exec(compile(blocks_of_page()["encoder.py"], "encoder.py", "exec"), names)
    return SimpleNamespace(**names)


def table(folder: Path, rows: int = 600) -> pl.DataFrame:
    """Rows of every kind of column, with gaps."""
    draw = np.random.default_rng(0)
    tags = [[f"t{t}" for t in draw.integers(6, size=n)] for n in draw.integers(0, 4, size=rows)]
    amount = np.round(draw.exponential(40, rows) - 3, 2)
    seen = [[f"{i}" for i in draw.integers(8, size=n)] for n in draw.integers(5, size=rows)]
    frame = pl.DataFrame(
        {
            "shop": draw.integers(8, size=rows),
            "day": [["mon", "tue", None][i] for i in draw.integers(3, size=rows)],
            "price": pl.Series(amount).set(pl.Series(draw.random(rows) < 0.1), None),
            "area": draw.normal(size=rows) * 100,
            "flag": draw.random(rows) < 0.5,
            "tags": tags,
            "seen": seen,
            "emb": pl.Series(draw.normal(size=(rows, 3)).tolist()).set(
                pl.Series(draw.random(rows) < 0.1), None
            ),
            "clicked": (draw.random(rows) < 0.4).astype(int),
        }
    )
    frame.write_parquet(folder / "rows.parquet")
    return frame


ENCODINGS = {
    "quantile": [],
    "log_squared": ["data.numeric=log_squared"],
    "value": ["data.numeric=value"],
    "unscaled": ["data.encodings=[area:unscaled,tags:sum]", "model=fm", "model.init_std=0.05"],
    "vector": ["data.encodings=[emb:vector,price:value]"],
    "target": ["data.encodings=[shop:target,area:value]"],
    "sequence": ["data.sequences={seen: shop}", "model=din"],
    "crosses": ["model=wide_deep", CROSSES, "model.cross_min_count=2"],
    "hash": ["data.encoding=hash", "data.hash_buckets=40"],
    "hashed": ["model=wide_deep", CROSSES, "model.cross_buckets=50"],
}
QUICK = ("hashed", "quantile", "sequence")
PLAIN = ("quantile", "log_squared", "value", "target")  # without lists, for raw=true


def trained(settings: Compose, tmp_path: Path, kind: str, *more: str) -> Path:
    """A run on the table; its weights are large, so that wrong ids show."""
    types = "data.types=[shop:category,price:number,area:number]"
    own = ["data=table", f"data.path={tmp_path}/rows.parquet", "data.label=clicked", types]
    words = [*own, "data.min_count=2", "trainer.epochs=1", *ENCODINGS[kind], *more]
    if not any(word.startswith("model=") for word in words):
        words += ["model=fm", "model.init_std=1"]
    plan = settings(*words)
    run(plan)
    return run_directory(plan).path


@pytest.mark.parametrize("kind", [*QUICK, *slow(ENCODINGS.keys() - {*QUICK})])
def test_the_reader_of_the_page(kind: str, settings: Compose, tmp_path: Path, reader: Any) -> None:
    """Raw values by numpy and ONNX give the probabilities of predict."""
    frame = table(tmp_path)
    path = trained(settings, tmp_path, kind)
    export(path, onnx=True)
    new = frame.with_columns(pl.col("day").replace({"tue": "never"})).head(200)
    inputs = reader.RowEncoder(path / "encoder.json")(new.to_dicts())
    session = onnxruntime.InferenceSession(str(path / "model.onnx"))
    (logits,) = session.run(None, inputs)
    expected = Run(path).predictions(new)
    assert len(np.unique(expected)) > 10
    np.testing.assert_allclose(expit(logits), expected, atol=1e-4)  # sums in another order


@pytest.mark.parametrize("kind", ["quantile", *slow(PLAIN[1:])])
def test_a_program_of_raw_values(kind: str, settings: Compose, tmp_path: Path) -> None:
    frame = table(tmp_path)
    path = trained(settings, tmp_path, kind, "data.exclude=[tags,seen,emb]")
    done = command("export", str(path), "raw=true")
    assert done.returncode == 0 and "model.raw.onnx" in done.stdout, done.stderr
    session = onnxruntime.InferenceSession(str(path / "model.raw.onnx"))
    inputs = {}
    for given in session.get_inputs():
        column = frame[given.name]
        if given.type == "tensor(string)":
            column = column.cast(pl.Int64) if column.dtype == pl.Boolean else column
            inputs[given.name] = np.array(column.cast(pl.String).fill_null("").to_list(), object)
        else:
            inputs[given.name] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    (found,) = session.run(["probability_B"], inputs)
    np.testing.assert_allclose(found, Run(path).predictions(frame), atol=1e-5)
    assert set(inputs) == {"shop", "day", "price", "area", "flag"}


def test_the_metadata(settings: Compose, tmp_path: Path) -> None:
    table(tmp_path)
    path = trained(settings, tmp_path, "value", "data.exclude=[tags,seen,emb]")
    export(path, onnx=True, raw=True)
    about = json.loads((path / "encoder.json").read_text())["about"]
    result = json.loads((path / "result.json").read_text())
    assert about["ctrbench.model"] == "fm" and about["ctrbench.version"] == __version__
    assert about["ctrbench.run"] == result["identity"]
    assert about["ctrbench.weights_sha256"] == result["files"]["model.safetensors"]
    for name in ("model.onnx", "model.raw.onnx"):
        props = {p.key: p.value for p in onnx.load(path / name).metadata_props}
        assert about.items() <= props.items()


@pytest.mark.parametrize(
    ("kind", "why"),
    [("quantile", "field tags has several"), ("crosses", "several"), ("sequence", "several")],
)
def test_why_there_is_no_raw_program(
    kind: str, why: str, settings: Compose, tmp_path: Path
) -> None:
    table(tmp_path)
    path = trained(settings, tmp_path, kind)
    before = set(path.iterdir())
    with pytest.raises(UserError, match=f"raw=true: .*{why}"):
        export(path, onnx=False, raw=True)
    assert set(path.iterdir()) == before


@pytest.mark.parametrize("encoding", ["vocabulary", "hash"])
def test_the_reader_on_criteo(
    encoding: str, settings: Compose, criteo_file: Path, reader: Any
) -> None:
    words = ["data=criteo", f"data.path={criteo_file}", "data.min_count=1"]
    own = settings("model=fm", "model.init_std=1", *words, f"data.encoding={encoding}")
    run(own)
    path = run_directory(own).path
    export(path, onnx=True)
    lines = [line.split("\t") for line in criteo_file.read_text().splitlines()]
    rows = [
        {f"I{i}": float(cell) if cell else None for i, cell in enumerate(cells[1:14], 1)}
        | {f"C{i}": cell for i, cell in enumerate(cells[14:], 1)}
        for cells in lines
    ]
    session = onnxruntime.InferenceSession(str(path / "model.onnx"))
    (logits,) = session.run(None, reader.RowEncoder(path / "encoder.json")(rows))
    frame = pl.DataFrame(rows).with_columns(pl.selectors.starts_with("I").cast(pl.Int64))
    np.testing.assert_allclose(expit(logits), Run(path).predictions(frame), atol=1e-4)


def test_the_scripts_of_the_page(
    settings: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Any
) -> None:
    rows = [f"{i % 7},{i % 3},{i % 11 / 10},{int(i * 7 % 5 < 2)}" for i in range(400)]
    (tmp_path / "rows.csv").write_text("\n".join(["shop,day,price,clicked", *rows]) + "\n")
    own = settings("model=fm", "data=table", f"data.path={tmp_path}/rows.csv", "data.label=clicked")
    run(own)
    path = run_directory(own).path
    export(path, onnx=True, raw=True)
    monkeypatch.setitem(__import__("sys").modules, "encoder", reader)
    blocks = blocks_of_page()
    for name in ("score_raw.py", "score.py"):
        exec(compile(blocks[name], name, "exec"), {"RUN": path, "numpy": np})
