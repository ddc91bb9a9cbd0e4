"""Odd runs end no report: each is listed as broken with the reason, the others are reported."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made import add_predictions, make_run

from ctrbench.report import report as writing
from ctrbench.report.report import report_on
from ctrbench.report.tables import settings_numbers

Spoil = Callable[[Path], None]


def in_result(key: str, value: Any) -> Spoil:
    """Put a value into the record."""
    return lambda path: put(path / "result.json", key, value, json.loads, json.dumps)


def in_config(key: str, value: Any) -> Spoil:
    """Put a value into the config."""
    return lambda path: put(path / "config.yaml", key, value, yaml.safe_load, yaml.safe_dump)


def put(path: Path, key: str, value: Any, load: Any, dump: Any) -> None:
    record = load(path.read_text())
    *outer, last = key.split("/")
    inner = record
    for name in outer:
        inner = inner[name]
    inner[last] = value
    path.write_text(dump(record))


def bytes_in(name: str, content: bytes) -> Spoil:
    def spoil(path: Path) -> None:
        (path / name).write_bytes(content)

    return spoil


def array_in(name: str, array: Any) -> Spoil:
    def spoil(path: Path) -> None:
        put(path / "result.json", "files", {}, json.loads, json.dumps)  # no digest warns of it
        np.save(path / name, array, allow_pickle=True)

    return spoil


def flip(name: str) -> Spoil:
    def spoil(path: Path) -> None:
        content = bytearray((path / name).read_bytes())
        content[-2] ^= 4
        (path / name).write_bytes(content)

    return spoil


DEEP = 100_000
ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
)
ODD: dict[str, tuple[Spoil, str]] = {
    "no trainer": (in_result("settings/trainer", None), "settings.trainer"),
    "a model of no settings": (in_result("settings/model", "fm"), "settings.model"),
    "a model of another name": (in_result("model", "deepfm"), "model"),
    "a fraction of text": (in_config("split/fractions", [0.8, "x", 0.1]), "split.fractions"),
    "fractions of text": (in_config("split/fractions", "abc"), "split.fractions"),
    "an unknown monitor": (in_result("settings/trainer/monitor", "f1"), "trainer.monitor"),
    "a monitor of null": (in_result("settings/trainer/monitor", None), "trainer.monitor"),
    "NaN threads": (in_result("environment/threads", float("nan")), "environment.threads"),
    "NaN rows": (in_result("dataset/rows/train", float("nan")), "dataset.rows.train"),
    "rows beyond 64 bits": (in_result("dataset/rows/test", 10**30), "dataset.rows.test"),
    "half a seed": (in_result("seed", 0.5), "seed"),
    "an infinite AUC": (in_result("metrics/valid/auc", float("inf")), "metrics.valid.auc"),
    "a GAUC of text": (in_result("metrics/test/gauc", "high"), "metrics.test.gauc"),
    "a commit of numbers": (in_result("environment/commit", [1]), "environment.commit"),
    "a file's digest of numbers": (in_result("files", {"labels.npy": 3}), "files.labels.npy"),
    "deep JSON": (bytes_in("result.json", b"[" * DEEP + b"]" * DEEP), "result.json"),
    "deep YAML": (bytes_in("config.yaml", b"[" * DEEP + b"]" * DEEP), "config.yaml"),
    "aliases": (
        lambda path: (
            (path / "config.yaml").write_text(ALIASES + (path / "config.yaml").read_text()) and None
        ),
        "config.yaml",
    ),
    "classes of a list": (in_config("classes", [1]), "classes"),
    "a damaged history": (bytes_in("history.jsonl", b'{"epoch": 1'), "history.jsonl"),
    "a history of lists": (bytes_in("history.jsonl", b"[1]\n"), "history.jsonl"),
    "a binary history": (bytes_in("history.jsonl", b"\xff\xfe\x00"), "history.jsonl"),
    "deep history": (bytes_in("history.jsonl", b"[" * DEEP), "history.jsonl"),
    "logits cut short": (
        lambda path: bytes_in("logits.npy", (path / "logits.npy").read_bytes()[:90])(path),
        "logits.npy",
    ),
    "a flipped bit of logits": (flip("logits.npy"), "logits.npy"),
    "a flipped bit of labels": (flip("labels.npy"), "labels.npy"),
    "objects for logits": (array_in("logits.npy", np.array([{}], object)), "logits.npy"),
    "a table for logits": (array_in("logits.npy", np.zeros((400, 2), np.float32)), "logits.npy"),
    "fewer logits": (array_in("logits.npy", np.zeros(399, np.float32)), "logits.npy"),
    "more labels": (array_in("labels.npy", np.zeros(99, np.uint8)), "labels.npy"),
    "an AUC by hand": (in_result("metrics/test/auc", 0.99), "metrics.test.auc"),
    "a logloss by hand": (in_result("metrics/test/logloss", 0.1), "metrics.test.logloss"),
    "a validation AUC by hand": (in_result("metrics/valid/auc", 0.99), "metrics.valid"),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_run_that_is_odd(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "section_reports", lambda *_: [])  # figures are drawn elsewhere
    spoil, named = ODD[kind]
    good, bad = (add_predictions(make_run(tmp_path / name, name)) for name in ("lr", "fm"))
    spoil(bad)
    text = report_on([tmp_path])
    (row,) = (line for line in text.splitlines() if "| broken" in line)
    assert str(bad) in row and named in row and str(good) not in text
    page = (tmp_path / "report" / "index.html").read_text()
    assert "broken" in page and str(good) in page


def test_records_that_agree_are_reported(tmp_path: Path) -> None:
    """Also without logits, labels or history; so is a run beside which a broken one lies."""
    whole = add_predictions(make_run(tmp_path / "whole", "lr"))
    for name in ("logits.npy", "labels.npy", "history.jsonl"):
        make = tmp_path / name
        shutil.copytree(whole, make)
        (make / name).unlink()
    fm = add_predictions(make_run(tmp_path / "fm", "fm"), seed=1)
    in_result("metrics/test/auc", 0.999)(fm)
    text = report_on([tmp_path])
    assert (
        text.count("| broken") == 1 and "## planted" in text and "0.999" not in text.split("##")[1]
    )


def test_runs_whose_metrics_cannot_be_computed_again_are_counted(tmp_path: Path) -> None:
    whole = add_predictions(make_run(tmp_path / "whole", "lr"))
    assert "as recorded" not in report_on([tmp_path])
    for seed, name in enumerate(("logits.npy", "labels.npy")):
        run = make_run(tmp_path / name, "fm", seed)
        add_predictions(run)
        (run / name).unlink()
    (line,) = (line for line in report_on([tmp_path]).splitlines() if "as recorded" in line)
    assert "2 of 3" in line and "FM 2" in line and str(whole) not in line


def test_two_runs_of_the_same_settings_and_seed(tmp_path: Path) -> None:
    """Neither counts, for none can tell which does; the others are reported."""
    make_run(tmp_path / "lr", "lr")
    one = make_run(tmp_path / "one", "fm")
    two = tmp_path / "two"
    shutil.copytree(one, two)
    in_result("identity", "another")(two)
    text = report_on([tmp_path])
    assert text.count("| broken") == 2 and str(one) in text and str(two) in text


def test_what_no_check_foresees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with which the making fails is left out; a fault that no run has is told as it is."""
    for model in ("lr", "fm", "ffm", "dnn"):
        make_run(tmp_path, model, options={"deep": 1})
    wanted = "fm"

    def failing(section: Any) -> Any:
        if wanted in set(section.groups["model"]):
            raise ZeroDivisionError("as no one thought of")
        return settings_numbers(section)

    monkeypatch.setattr(writing.tables, "settings_numbers", failing)
    text = report_on([tmp_path])
    (row,) = (line for line in text.splitlines() if "| broken" in line)
    assert "fm-0" in row and "ZeroDivisionError: as no one thought of" in row
    monkeypatch.setattr(writing, "page", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report_on([tmp_path])


def test_a_foreign_record_cannot_take_the_names_of_columns(tmp_path: Path) -> None:
    path = make_run(tmp_path, "lr")
    for key in ("path", "state", "reason", "group"):
        in_result(key, "mine")(path)
    text = report_on([tmp_path])
    assert "mine" not in text and "## planted" in text


@pytest.mark.parametrize(
    "config",
    [
        {"overrides": ["model=lr", "<b>"]},
        {"overrides": ["--config-dir=/"]},
        {"overrides": "model=lr"},
        {"overrides": ["hydra/launcher=other"]},
        {"overrides": ["$(reboot)=1"]},
        {"overrides": ["model=lr"], "config_dir": "--cfg"},
    ],
    ids=str,
)
def test_a_record_from_elsewhere_puts_no_words_into_a_command(
    config: dict[str, Any], tmp_path: Path
) -> None:
    make_run(tmp_path, "lr", **config)
    report_on([tmp_path])
    page = (tmp_path / "report" / "index.html").read_text()
    assert "in its config" in page and "<summary>command" not in page and "<b>" not in page
