"""Sweeps: every job is checked first, all are tried, and what failed is told."""

import json
from itertools import product
from pathlib import Path

import pytest
import yaml
from support import ctrbench

from ctrbench.errors import UserError
from ctrbench.sweep.jobs import sweep_jobs

SMALL = ["data.rows=4000", "data.vocabulary=50", "trainer.epochs=1", "threads=1"]


def test_jobs_and_the_words_that_tell_them_apart() -> None:
    made = sweep_jobs(["model=lr,fm", "seed=range(2)", "threads=1"])
    assert [job.swept for job in made] == [
        ["model=lr", "seed=0"],
        ["model=lr", "seed=1"],
        ["model=fm", "seed=0"],
        ["model=fm", "seed=1"],
    ]
    assert made[3].overrides == ["model=fm", "seed=1", "threads=1"]


def test_glob_takes_every_model() -> None:
    swept = {job.swept[0] for job in sweep_jobs(["model=glob(*)"])}
    assert {"model=lr", "model=deepfm", "model=wide_deep"} < swept
    assert [job.swept for job in sweep_jobs(["model=glob(*_dnn)"])] == [
        ["model=fm_dnn"],
        ["model=lr_dnn"],
    ]


def test_another_sweeper_draws_its_values(tmp_path: Path) -> None:
    """What it does not sweep is checked, the rest is its own."""
    sweeper = "hydra.sweeper._target_=hydra_plugins.drawing.Sweeper"
    words = [sweeper, "optimizer.lr=interval(0.001,0.1)"]
    shown = ctrbench("train", "-m", "--cfg", "job", "-p", "model.name", "model=fm", *words)
    assert shown.stdout == "fm\n" and shown.returncode == 0
    wrong = ctrbench("train", "-m", "model.dropout=2", *words)
    assert "model.dropout=2.0: must be less than 1" in wrong.stderr
    absent = ctrbench("train", "-m", "model=lr", *words, f"results={tmp_path}/out")
    assert absent.stderr.startswith("ctrbench: ") and absent.stderr.count("\n") == 1
    with pytest.raises(UserError, match="drawn values need a sweeper that draws"):
        sweep_jobs(["optimizer.lr=interval(0.001,0.1)"])


def test_multirun_and_report(tmp_path: Path) -> None:
    results = f"results={tmp_path}"
    done = ctrbench("train", "-m", "model=lr,fm", "seed=0,1", *SMALL, results)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("runs/planted/*/*/result.json"))) == 4
    kept = [yaml.safe_load(p.read_text()) for p in tmp_path.glob("runs/planted/*/*/config.yaml")]
    overrides = {config["job"]: config["overrides"] for config in kept}
    assert overrides == {
        number: [f"model={model}", f"seed={seed}", *SMALL]
        for number, (model, seed) in enumerate(product(("lr", "fm"), (0, 1)))
    }
    done = ctrbench("report", results)
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| LR", "| FM"))]
    assert [row.split("|")[2].strip() for row in rows[:2]] == ["2", "2"]  # then comparisons
    assert "not a data set of the paper" in done.stdout
    assert (tmp_path / "report" / "runs" / "table.csv").exists()


def test_failing_jobs_of_a_sweep(tmp_path: Path) -> None:
    """The others run; a failure is told where it happens, at the end with their number, and in the
    run's directory until the next start of it."""
    sweep = ["-m", "model=fm", "optimizer.lr=1e30,0.01,1e31", *SMALL, f"results={tmp_path}"]
    done = ctrbench("train", *sweep)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and "Error executing job" not in done.stderr
    assert len(list(tmp_path.glob("runs/planted/*/*/result.json"))) == 1
    told = [i for i, line in enumerate(lines) if line.startswith("failed: fm on planted, seed 0: ")]
    good = next(i for i, line in enumerate(lines) if line.startswith("test AUC"))
    assert len(told) == 2 and told[0] < good < told[1]
    assert lines[-3] == "ctrbench: 2 of the sweep's jobs failed:"
    assert lines[-2].startswith("  optimizer.lr=1e+30: fm on planted, seed 0: the ")
    assert lines[-1].endswith("lower optimizer.lr") and "threads" not in lines[-1]

    kept = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/*/failed.json")]
    assert len(kept) == 2
    for failure in kept:
        assert failure.keys() == {"what", "when", "message"}
        assert failure["what"] == "fm on planted, seed 0"
        assert "lower optimizer.lr" in failure["message"] and failure["when"][:2] == "20"


def test_one_failing_run(tmp_path: Path) -> None:
    done = ctrbench("train", "model=fm", "optimizer.lr=1e30", *SMALL, f"results={tmp_path}")
    assert done.returncode == 1 and "Error executing" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ctrbench: fm on planted, seed 0: the ")
    assert len(list(tmp_path.rglob("failed.json"))) == 1


@pytest.mark.filterwarnings("ignore")  # of old packages
def test_hydras_own_optuna_sweeper(tmp_path: Path) -> None:
    """Which pins an Optuna of its own, and takes the ranges that `ctrbench tune` takes."""
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    ranges = ["optimizer.lr=tag(log,interval(1e-3,1e-1))", "trainer.batch_size=choice(128,256)"]
    ranges.append("model.init_std=interval(0.01,0.02)")
    words = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2"]
    done = ctrbench("train", "-m", "model=fm", *words, *ranges, *SMALL, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert len(results) == 4
    assert all(0.001 < run["settings"]["optimizer"]["lr"] < 0.1 for run in results)
    failing = ["hydra.sweeper.max_failure_rate=1", "optimizer.lr=choice(1e30,1e31)"]
    done = ctrbench("train", "-m", "model=fm", *words, *failing, *SMALL, f"results={tmp_path}")
    assert done.returncode == 1 and "of the sweep's jobs failed" in done.stderr
