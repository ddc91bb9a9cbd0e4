"""Models, optimizers and data layouts of a user's own: every verb in a process of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from own_folder import CLICKS, EVENTS, SMALL, write_own_folder
from support import ctrbench, process

from ctrbench import open_run

OWN = ["--config-dir", "my"]
PLANTED = ["data=planted", "data.rows=600", "data.vocabulary=20"]
OTHER_LAUNCHERS = ("submitit_local", "basic")
VERBS = {  # a command, and what it prints or writes
    "train --help": "model.temperature",
    f"train --cfg job model=gatefm {' '.join(PLANTED)}": "temperature: 1.0",
    f"train model=gatefm optimizer=momentum {' '.join([*EVENTS, *SMALL])}": "",
    f"tune model=gatefm trials=1 {' '.join([*CLICKS, *SMALL])}": "model.temperature=1",
    f"data model=gatefm {' '.join(EVENTS)}": "| price",
    f"prepare {' '.join(EVENTS)}": "rows: train",
    f"rows out=rows {' '.join(EVENTS)}": "rows/train.parquet",
    "reproduce table2 -n model=gatefm,lr data=planted data.rows=600 seed=0": "model=gatefm",
    "bench model=gatefm trainer.batch_size=16 threads=1 bench.features=1000 bench.rows=64 "
    "bench.rounds=2": "gatefm_fp32.json",
    "report": "GateFM",
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``my``, rows, and a finished run of its model on them."""
    folder = tmp_path_factory.mktemp("own")
    write_own_folder(folder)
    done = ctrbench("train", *OWN, "model=gatefm", *CLICKS, *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def only_run(folder: Path) -> Path:
    (run,) = folder.glob("results/runs/table/gatefm/[!.]*")
    return run


@pytest.mark.parametrize("call", [ctrbench, pytest.param(process, marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", VERBS)
def test_every_verb_finds_what_a_folder_holds(command: str, call: Any, folder: Path) -> None:
    done = call(*command.split(), *OWN, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert VERBS[command] in done.stdout


@pytest.mark.parametrize(
    "launcher", ["joblib", *(pytest.param(n, marks=pytest.mark.slow) for n in OTHER_LAUNCHERS)]
)
def test_every_launcher_finds_them(launcher: str, tmp_path: Path) -> None:
    write_own_folder(tmp_path)
    words = ["model=gatefm,lr", "optimizer=momentum", *EVENTS, *SMALL]
    words += [f"hydra/launcher={launcher}"]
    done = process("train", "-m", *OWN, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("results/runs/events/*/*/result.json"))) == 2


def test_predict_and_export_execute_code_only_where_that_is_asked_for(folder: Path) -> None:
    run = only_run(folder)
    for words in (["predict", str(run), "clicks.csv"], ["export", str(run)]):
        refused = ctrbench(*words, cwd=folder)
        assert refused.returncode == 1 and refused.stdout == ""
        assert refused.stderr.count("\n") == 1
        assert "--trust" in refused.stderr and "gatefm.py" in refused.stderr
    shutil.move(folder / "my", folder / "elsewhere")  # the run is enough
    trusted = ctrbench("predict", "--trust", str(run), "clicks.csv", cwd=folder)
    named = ctrbench("predict", "--config-dir", "elsewhere", str(run), "clicks.csv", cwd=folder)
    assert trusted.returncode == named.returncode == 0, trusted.stderr + named.stderr
    assert trusted.stdout == named.stdout and len(trusted.stdout.splitlines()) == 400
    assert ctrbench("export", "--trust", str(run), cwd=folder).returncode == 0
    assert (run / "model.pt2").exists()


def test_a_notebook_opens_it_with_trust(folder: Path) -> None:
    code = """
import sys, ctrbench
ctrbench.open_run(sys.argv[1]).history
try:
    ctrbench.open_run(sys.argv[1]).opened
except ctrbench.UserError as error:
    assert "trust=True" in str(error)
else:
    raise SystemExit("opened without trust")
import pandas
frame = pandas.read_csv("clicks.csv", dtype=str)
print(len(ctrbench.open_run(sys.argv[1], trust=True).predictions(frame)))
"""
    command = [sys.executable, "-c", code, str(only_run(folder))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "400\n"


def test_runs_of_two_versions_of_a_model_are_opened_beside_each_other(folder: Path) -> None:
    """Each with its own code, whatever is registered."""
    first = only_run(folder)
    file = folder / "my" / "models" / "gatefm.py"
    file.write_text(file.read_text().replace(".sigmoid() * 1", "").replace(".sigmoid()", ".tanh()"))
    done = ctrbench("train", *OWN, "model=gatefm", *CLICKS, *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    (second,) = set(folder.glob("results/runs/table/gatefm/[!.]*")) - {first}
    rows = np.loadtxt(folder / "clicks.csv", delimiter=",", skiprows=1, dtype=str)
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["shop", "day", "price", "clicked"])
    opened = [open_run(run, trust=True) for run in (first, second)]
    for run in opened:
        scores = ctrbench("predict", "--trust", str(run.path), "clicks.csv", cwd=folder).stdout
        np.testing.assert_allclose(run.predictions(frame), np.loadtxt(scores.splitlines()), 1e-5)
    assert not np.array_equal(*(run.predictions(frame) for run in opened))


def test_an_edit_trains_again_and_a_comment_does_not(folder: Path) -> None:
    words = ["train", *OWN, "model=gatefm", *CLICKS, *SMALL]
    file = folder / "my" / "models" / "gatefm.py"
    file.write_text("# a comment\n" + file.read_text())
    assert "already finished" in ctrbench(*words, cwd=folder).stderr
    file.write_text(file.read_text().replace(".sigmoid()", ".tanh()"))
    again = ctrbench(*words, cwd=folder)
    assert again.returncode == 0 and "already finished" not in again.stderr
    assert len(list(folder.glob("results/runs/table/gatefm/[!.]*"))) == 2
    refused = ctrbench(
        "predict", *OWN, str(only_first(folder, again.stderr)), "clicks.csv", cwd=folder
    )
    assert refused.returncode == 1 and "--trust" in refused.stderr


def only_first(folder: Path, log: str) -> Path:
    """Return the run that the log does not name."""
    (run,) = [r for r in folder.glob("results/runs/table/gatefm/[!.]*") if r.name not in log]
    return run


def test_code_that_was_changed_in_the_run_is_not_executed(folder: Path) -> None:
    run = only_run(folder)
    (run / "code" / "models" / "more.py").write_text("raise SystemExit('executed')\n")
    done = ctrbench("predict", "--trust", str(run), "clicks.csv", cwd=folder)
    assert done.returncode == 1 and "more.py" in done.stderr and done.stderr.count("\n") == 1


def test_the_copy_is_a_folder_that_trains_the_same_again(folder: Path) -> None:
    write_own_folder(folder, "my/model/gatefm.yaml")
    words = ["model=gatefm", *CLICKS, *SMALL]
    assert ctrbench("train", *OWN, *words, cwd=folder).returncode == 0
    (run,) = [
        r for r in folder.glob("results/runs/table/gatefm/[!.]*") if (r / "code/model").exists()
    ]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["trainer"]["schedule"]["name"] == "cosine"
    assert config["components"][0]["file"] == "models/gatefm.py"
    again = ctrbench("train", "--config-dir", str(run / "code"), *words, cwd=folder)
    assert f"already finished: {run.relative_to(folder)}" in again.stderr
    code = json.loads((run / "result.json").read_text())["code"]
    assert re.fullmatch("[0-9a-f]{16}", code["model"])


def test_a_record_of_components_that_is_damaged_is_one_line(folder: Path) -> None:
    path = only_run(folder) / "config.yaml"
    path.write_text(path.read_text().replace("digest:", "digits:"))
    done = ctrbench("predict", "--trust", str(path.parent), "clicks.csv", cwd=folder)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "components" in done.stderr
