"""The command of a run makes that run again, however it was made; --from repeats and varies it."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import ctrbench

from ctrbench.files import file_digest, seal
from ctrbench.report.commands import command_cell

ROWS = ["data.rows=2000", "data.vocabulary=30"]
SMALL = [*ROWS, "trainer.epochs=1", "threads=1"]
EXPERIMENT = """# @package _global_
experiment: {title: Mine, sweep: {model.dropout: [0.1, 0.2]}}
trainer: {batch_size: 512}
"""
TUNED = "# @package _global_\nmodel: {embedding_dim: 3}\ntuned: {trials: 2}\n"
WAYS = {
    "train": ["train", "model=fm", "seed=3", "optimizer.lr=0.01"],
    "default": ["train"],
    "quoted": ["train", "model=fm", "data.name=my-rows", "trainer.monitor={auc:2,logloss:-1}"],
    "sweep": ["train", "-m", "model=lr,dnn", "model.hidden=[4],[5]"],
    "choices": [
        "train",
        "model=fm",
        "optimizer=adagrad",
        "schedule=cosine",
        "split=order",
        "tuned=none",
    ],
    "pretrained": ["train", "model=fnn", "model.hidden=[4]", "pretraining.trainer.epochs=1"],
    "experiment": ["reproduce", "figure8", "model=dnn", "model.dropout=0.1", "seed=0,1"],
    "own experiment": ["reproduce", "mine", "-cd", "my", "model=dnn"],
    "tuned": ["train", "-cd", "my", "model=fm", "tuned=planted/fm"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, with YAML files of one's own and a file of rows."""
    for name, text in {
        "my/experiment/mine.yaml": EXPERIMENT,
        "my/tuned/planted/fm.yaml": TUNED,
        "rows.csv": "y,a,b\n" + "".join(f"{i % 3 == 0:d},c{i % 5},d{i % 4}\n" for i in range(300)),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def runs_of(folder: Path) -> list[Path]:
    return [path.parent for path in sorted(folder.glob("results/runs/*/*/*/result.json"))]


def check_commands(folder: Path) -> None:
    """Each command finds its run finished, and makes no other."""
    runs = runs_of(folder)
    for run in runs:
        program, *arguments = shlex.split(str(command_cell(run)))
        assert program == "ctrbench" and not any("results=" in word for word in arguments)
        done = ctrbench(*arguments)
        is_pretrained = yaml.safe_load((run / "config.yaml").read_text())["pretraining_of"]
        found = "planted/fnn" if is_pretrained else run.relative_to(folder)
        assert done.returncode == 0 and f"{found}" in done.stderr, done.stderr
        assert "already finished" in done.stderr
    assert runs_of(folder) == runs


@pytest.mark.parametrize("way", WAYS)
def test_the_printed_command_finds_its_run(way: str, folder: Path) -> None:
    done = ctrbench(*WAYS[way], *SMALL)
    assert done.returncode == 0, done.stderr
    assert runs_of(folder)
    check_commands(folder)


def test_of_a_recipe_and_of_a_file_below_the_folder(folder: Path) -> None:
    words = ["data=table", "data.label=y", "trainer.epochs=1", "threads=1"]
    path = f"data.path={folder / 'rows.csv'}"
    assert ctrbench("train", "model=lr", path, *words).returncode == 0
    recipe = ctrbench("train", "recipe=bars/frappe_x1/lr", "data.path=rows.csv", *words)
    assert recipe.returncode == 0, recipe.stderr
    assert all("data.path=rows.csv" in str(command_cell(run)) for run in runs_of(folder))
    check_commands(folder)


def test_of_what_a_search_found(folder: Path) -> None:
    pytest.importorskip("optuna")
    search = ["tune", "model=lr", "trials=2", "search.optimizer.lr=choice(0.01,0.1)", *SMALL]
    done = ctrbench(*search)
    assert done.returncode == 0, done.stderr
    trials = sorted(folder.glob("results/tune/*/*/*/*/config.yaml"))
    overrides = [yaml.safe_load(path.read_text())["overrides"] for path in trials]
    assert {word for words in overrides for word in words} >= {"model=lr", "optimizer.lr=0.1"}
    command = next(line for line in done.stdout.splitlines() if line.startswith("  ctrbench train"))
    assert ctrbench(*shlex.split(command)[1:]).returncode == 0
    check_commands(folder)


def test_from_a_run(folder: Path) -> None:
    made = ctrbench("train", "model=fm", "seed=3", "results=out", *SMALL)
    assert made.returncode == 0, made.stderr
    (run,) = folder.glob("out/runs/planted/fm/[!.]*")
    again = ctrbench("train", "--from", str(run))
    assert again.returncode == 0 and "already finished: out/runs" in again.stderr
    other = ctrbench("train", "-m", "--from", str(run), "seed=4,5", "optimizer.lr=0.01")
    assert other.returncode == 0, other.stderr
    runs = [
        json.loads(path.read_text()) for path in folder.glob("out/runs/planted/fm/*/result.json")
    ]
    assert sorted(result["seed"] for result in runs) == [3, 4, 5]
    rates = {result["seed"]: result["settings"]["optimizer"]["lr"] for result in runs}
    assert rates[4] == rates[5] == 0.01 != rates[3]
    moved = folder / "copied"
    run.rename(moved)
    shown = ctrbench("train", "--cfg", "job", "-p", "seed", "--from", "copied")
    assert shown.stdout.strip() == "3", shown.stderr


def change(path: Path, **values: object) -> None:
    """Change a config as a run of other overrides would have it: with its digest."""
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(config | values))
    record = path.with_name("result.json")
    result = json.loads(record.read_text())
    result["files"][path.name] = file_digest(path)
    record.write_text(json.dumps(seal(result)))


def test_what_cannot_be_repeated_is_refused(folder: Path) -> None:
    assert ctrbench("train", "model=fnn", "model.hidden=[4]", *SMALL).returncode == 0
    (run,) = folder.glob("results/runs/planted/fnn/[!.]*")
    (stage,) = folder.glob("results/runs/planted/fm/[!.]*")
    config = run / "config.yaml"
    values = yaml.safe_load(config.read_text())

    def refused(path: Path, *more: str) -> str:
        done = ctrbench("train", "--from", str(path), *more)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    assert "no such file" in refused(folder / "my")
    assert "pre-trained for another run" in refused(stage)
    change(config, overrides=None)
    assert str(run) in refused(run)
    change(config, overrides=["hydra.sweeper.max_batch_size=1"])
    assert "overrides" in refused(run)
    change(config, overrides=["model=fnnn"])
    assert "did you mean fnn?" in refused(run)
    change(config, overrides=["model=fnn"])
    assert "model.hidden=[4]" in refused(run)
    change(config, overrides=["model=fnn", *SMALL], config_dir="my")
    assert "--config-dir my" in refused(run)
    change(config, **values)
    (run / "logits.npy").write_bytes(b"damaged")
    assert "logits.npy" in refused(run)
    assert len(list(folder.glob("results/runs/*/*/[!.]*"))) == 2
