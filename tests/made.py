"""Run directories made by hand, for what reads them."""

import hashlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from ctrbench.report.group import Section, sections
from ctrbench.runs.frame import find_runs, frame

SECONDS = {"lr": 2.0, "fm": 5.0, "fnn": 8.0}


def make_run(
    folder: Path,
    model: str,
    seed: int = 0,
    auc: float = 0.7,
    *,
    data: str = "planted",
    effects: str = "whole",
    test_rows: int = 7,
    rows: dict[str, int] | None = None,
    as_published: bool | None = None,
    scored: bool = False,
    slower: float = 1.0,
    logloss: float = 0.45,
    options: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    decides: dict[str, Any] | None = None,
    encoding: dict[str, Any] | None = None,
    labels: str | None = None,
    **config: Any,
) -> Path:
    """A finished run; returns its directory.

    Args:
        effects: of the rows, and so their content.
        rows: of every part, in place of ten, five and ``test_rows``.
        as_published: whether they are those of a public set.
        scored: whether logits and labels lie in it, the same of every run: without row noise.
        slower: of its seconds an epoch, a factor.
        options: of the model.
        environment: in place of what ``environment`` says otherwise.
        decides: other keys of its config that decide.
        encoding: options of the data by which its rows are encoded, and so their content.
        labels: a digest of its test labels.
        config: those that decide nothing.
    """
    own: dict[str, Any] = {
        "model": {"name": model} | (options or {}),
        "optimizer": {"lr": 0.1},
        "trainer": {"batch_size": 64, "eval_every": None, "monitor": "logloss"},
        "pretraining": {"optimizer": {"lr": 1}} if model == "fnn" else None,
    }
    if (options or {}).get("pretrain") is False:
        own["pretraining"] = None
    own |= decides or {}
    content = f"{effects}{encoding or ''}"
    settings = own | {"data": {"name": data, "content": content}, "seed": seed, "version": 1}
    place = {"device": "cpu", "threads": 2, "precision": "fp32", "torch": "2", "commit": "c"}
    place |= environment or {}
    identity = f"{model}-{seed}-{effects}-{abs(hash(content)):x}-{abs(hash(str(own))):x}"
    path = folder / f"{identity}-{place['threads']}"
    path.mkdir(parents=True)
    written = own | {
        "data": {"name": data, "effects": effects, "path": str(folder), "train": None}
        | (encoding or {}),
        "split": {"kind": "random", "fractions": [0.8, 0.1, 0.1]},
        "seed": seed,
        "classes": {"data": data, "model": "x"},
    }
    (path / "config.yaml").write_text(yaml.safe_dump(written | config, sort_keys=False))
    figures = {"auc": auc, "logloss": logloss}
    result = {
        "status": "ok",
        "identity": identity,
        "settings": settings,
        "model": model,
        "data": data,
        "seed": seed,
        "metrics": {"valid": {k: v + 0.01 for k, v in figures.items()}, "test": figures},
        "batch_size": 64,
        "seconds_per_epoch": SECONDS.get(model, 1.0) * slower,
        "pretrain_seconds_per_epoch": 5.0 * slower if own["pretraining"] else None,
        "parameters": {"embedding": 100, "network": 20},
        "environment": place,
        "dataset": {
            "content": content,
            "fields": 39,
            "features": 10,
            "rows": rows or {"train": 10, "valid": 5, "test": test_rows},
            "as_published": as_published,
        },
        "files": {} if labels is None else {"labels.npy": labels},
    }
    (path / "result.json").write_text(json.dumps(result))
    if scored:
        write_scores(path, np.arange(test_rows), np.arange(test_rows) % 2)
    return path


def write_scores(path: Path, logits_N: Any, labels_N: Any) -> None:
    """Write the logits and labels of a run's test rows."""
    np.save(path / "logits.npy", np.asarray(logits_N, np.float32))
    np.save(path / "labels.npy", np.packbits(np.asarray(labels_N, np.uint8)))


def add_predictions(path: Path, rows: int = 400, seed: int = 0) -> Path:
    """Give a run its logits, labels and history, and the record their metrics, by scikit-learn."""
    draw = np.random.default_rng(seed)
    labels = (draw.random(rows) < 0.3).astype(np.uint8)
    logits = (draw.normal(size=rows) + labels - 1).astype(np.float32)
    np.save(path / "logits.npy", logits)
    np.save(path / "labels.npy", np.packbits(labels))
    result = json.loads((path / "result.json").read_text())
    result["metrics"]["test"] = {
        "auc": roc_auc_score(labels, logits),
        "logloss": log_loss(labels, expit(logits.astype(float))),
    }
    result["dataset"]["rows"]["test"] = rows
    result["files"] = {
        name: hashlib.sha256((path / name).read_bytes()).hexdigest()
        for name in ("logits.npy", "labels.npy")
    }
    valid = {f"valid_{name}": value for name, value in result["metrics"]["valid"].items()}
    worse = {name: value - 0.01 for name, value in valid.items()}
    lines = [line | {"epoch": i, "train_loss": 0.5} for i, line in enumerate((worse, valid), 1)]
    (path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (path / "result.json").write_text(json.dumps(result))
    return path


def section_of(folder: Path) -> Section:
    """The one section of the runs in a folder."""
    (section,) = sections(frame(find_runs([folder])))
    return section


def texts(svg: str) -> list[str]:
    """The words of a drawing: SVG keeps them as text."""
    root = ET.fromstring(svg)
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]
