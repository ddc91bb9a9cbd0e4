"""Run directories made by hand, for what reads them."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import yaml

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
    logloss: float = 0.45,
    options: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    decides: dict[str, Any] | None = None,
    **config: Any,
) -> Path:
    """A finished run; returns its directory.

    Args:
        effects: of the rows, and so their content.
        rows: of every part, in place of ten, five and ``test_rows``.
        as_published: whether they are those of a public set.
        options: of the model.
        environment: in place of what ``environment`` says otherwise.
        decides: other keys of its config that decide.
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
    settings = own | {"data": {"name": data, "content": effects}, "seed": seed, "version": 1}
    place = {"device": "cpu", "threads": 2, "precision": "fp32", "torch": "2", "commit": "c"}
    place |= environment or {}
    identity = f"{model}-{seed}-{effects}-{abs(hash(str(own))):x}"
    path = folder / f"{identity}-{place['threads']}"
    path.mkdir(parents=True)
    written = own | {
        "data": {"name": data, "effects": effects, "path": str(folder), "train": None},
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
        "seconds_per_epoch": SECONDS.get(model, 1.0),
        "pretrain_seconds_per_epoch": 5.0 if own["pretraining"] else None,
        "parameters": {"embedding": 100, "network": 20},
        "environment": place,
        "dataset": {
            "content": effects,
            "fields": 39,
            "features": 10,
            "rows": rows or {"train": 10, "valid": 5, "test": test_rows},
            "as_published": as_published,
        },
    }
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
