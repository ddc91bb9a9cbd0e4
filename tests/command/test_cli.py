"""The command, as processes: one line for a mistake, exit status, sweeps, experiments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import ctrbench

SMALL = ["data.rows=4000", "data.vocabulary=50", "trainer.epochs=1", "threads=1"]


MISTAKES = {
    "trian": "trian: no such verb; did you mean train?",
    "train --fast": "--fast: no such option of train",
    "train deepfm": "deepfm: not KEY=VALUE",
    "train model=deepfn": "model=deepfn: no such choice; did you mean deepfm?",
    "train model.droput=0.1": "model.droput: no such key; did you mean dropout?",
    "train +model.droput=0.1": "model.droput: no such key; did you mean dropout?",
    "train modle.dropout=0.1": "modle: no such key; did you mean model?",
    "train model.dropout=much": "model.dropout: Value 'much' of type 'str' could not be converted",
    "train model.dropout=1": "model.dropout=1.0: must be less than 1 (probability of DROPPING",
    "train model.dropout=-.1": "model.dropout=-0.1: must be at least 0 (probability of DROPPING",
    "train model.hidden=[8,0]": "model.hidden=0: must be at least 1",
    "train optimizer.betas=[0.9]": "optimizer.betas=[0.9]: give two, of each moment one",
    "train model.hidden=[]": "model.hidden=[]: give the width of a layer at least",
    "train model.shape=diamond model.total_neurons=2": "shape=diamond: 2 neurons in 3 layers give",
    "train model=ccpm model.maps=[4]": "model.maps=[4], model.filters=[6, 5]: give both",
    "train model=wide_deep model.crosses=[[C1,C99]]": "[C1, C99]: no such field C99; did you mean",
    "train model=wide_deep model.crosses=[[C1,C1]]": "[C1, C1]: C1 stands in it twice",
    "train model=wide_deep model.crosses=[[C1]]": "[C1]: a cross takes two fields or more",
    "train model=wide_deep model.crosses=[[C1,C2],[C2,C1]]": "[C2, C1]: declared twice",
    "train model=wide_deep model.crosses=[[I1,C1]] data.numeric=value": "I1 is encoded as value",
    "train model=wide_deep data.exclude=[C5]": "no such field C5",
    "train data.exclude=[C27]": "data.exclude=C27: no such field; did you mean",
    "train model=fnn pretraining.run=/no/run": "pretraining.run=/no/run: not a finished run",
    "train model=fm optimizer=joint": "tuned/planted_fm: optimizer.lr: Key 'lr' not in",
    "train data=movielens": "data=movielens needs data.path=FOLDER",
    "train data=movielens data.path=/no/folder": "/no/folder: no such folder",
    "train model.activation=relo": "model.activation=relo: not known; did you mean relu?",
    "train split.fractions=[0.5,0.4,0.2]": "split.fractions=[0.5, 0.4, 0.2]: give three shares",
    "train data.effects=[1]": "data.effects=[1.0]: give four shares",
    "prepare data.encodings=[C1:value]": "data.encodings=C1:value: no field C1 of numbers",
    "prepare data.encodings=[I1:log]": "data.encodings=I1:log: not known",
    "train data=criteo": "data=criteo needs data.path=FILE",
    "train data=criteo data.path=/no/file": "/no/file: no such file",
    "train data=criteo data.train=/no/file": "data=criteo needs data.valid=FILE, data.test=FILE",
    "train -m model=lr,fmm": "model=fmm: no such choice; did you mean fm?",
    "train results=/proc/nowhere": "/proc/nowhere: No such file or directory",
    "reproduce table3": "table3: no such experiment; did you mean table2?",
    "report /no/folder": "/no/folder: no finished run here",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_one_line_for_a_mistake(words: str) -> None:
    done = ctrbench(*words.split())
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("ctrbench: ") and done.stderr.count("\n") == 1
    assert MISTAKES[words] in done.stderr and done.stdout == ""


def test_help_lists_every_key() -> None:
    assert "reproduce" in ctrbench("--help").stdout
    text = ctrbench("train", "--help").stdout
    for key in ("model.dropout", "data.path", "optimizer.lr", "trainer.epochs", "split.seed"):
        assert key in text


def test_no_torch_before_the_work() -> None:
    """What answers a mistyped command does not import torch."""
    code = (
        "import sys, ctrbench.command.cli, ctrbench.command.compose;"
        "import ctrbench.data.sources.registry;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_bad_row_leaves_one_line(criteo_file: Path, tmp_path: Path) -> None:
    criteo_file.write_text(criteo_file.read_text() + "1\t2\n")
    results = tmp_path / "out"
    done = ctrbench("train", "data=criteo", f"data.path={criteo_file}", f"results={results}")
    assert done.returncode == 1 and "line 601: 2 columns, expected 40" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(results.rglob("*.json")) and not list(results.rglob("*.partial"))


@pytest.mark.parametrize("limit", [100_000, 1_000_000])
def test_a_full_disk(limit: int, tmp_path: Path) -> None:
    """A limit on file size fails a write as a full disk does: in the store, or the checkpoint."""
    small = ["data.rows=5000", "data.vocabulary=50", "threads=1", f"results={tmp_path}"]
    done = ctrbench("train", *small, limit=limit)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "File too large" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob("*.partial"))


def test_multirun_and_report(tmp_path: Path) -> None:
    results = f"results={tmp_path}"
    done = ctrbench("train", "-m", "model=lr,fm", "seed=0,1", *SMALL, results)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("runs/planted/*/*/result.json"))) == 4
    done = ctrbench("report", results)
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| lr", "| fm"))]
    assert [row.split("|")[2].strip() for row in rows] == ["2", "2"]
    assert "not a data set of the paper" in done.stdout
    assert (tmp_path / "report" / "runs" / "table.csv").exists()


def test_one_failing_job_of_a_sweep(tmp_path: Path) -> None:
    """The others run, and the exit status says that one did not."""
    done = ctrbench(
        "train", "-m", "model=fm", "optimizer.lr=1e30,0.01", *SMALL, f"results={tmp_path}"
    )
    assert done.returncode == 1 and "lower optimizer.lr" in done.stderr.splitlines()[-1]
    assert len(list(tmp_path.glob("runs/planted/*/*/result.json"))) == 1


def test_bench(tmp_path: Path) -> None:
    small = ["bench.features=5000", "bench.rows=600", "bench.rounds=2", "trainer.batch_size=256"]
    done = ctrbench("bench", "model=fm", "threads=1", *small, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    for part in ("forward", "backward", "optimizer", "rows/s", "times its limit"):
        assert part in done.stdout
    figures = json.loads((tmp_path / "report" / "bench" / "fm_fp32.json").read_text())
    assert figures["features"] == 5000 and figures["batch_size"] == 256
    real, spread = figures["touched_rows"].values()
    assert 39 < real < spread < 5000
    taken = figures["seconds"]["step, real-like ids"]
    assert 0 < taken["least"] <= taken["median"]


def test_reproduce(tmp_path: Path) -> None:
    words = ["reproduce", "table2", "seed=0", *SMALL, "model=lr,fm", f"results={tmp_path}"]
    done = ctrbench(*words)
    assert done.returncode == 0, done.stderr
    assert "Table 2" in done.stdout and len(list(tmp_path.glob("runs/*/*/*/result.json"))) == 2
    again = ctrbench(*words)
    assert again.stdout == done.stdout and again.stderr.count("already finished") == 2
    assert "table2" in ctrbench("reproduce", "--list").stdout
