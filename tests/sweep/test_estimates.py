"""How long runs will take: by finished runs of their data, by a few steps, or not known."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import Compose, ctrbench

from ctrbench.command import listing
from ctrbench.config.compose import compose, to_settings
from ctrbench.progress import Activity
from ctrbench.results import Results
from ctrbench.runs.plan import RunPlan
from ctrbench.sweep import estimates
from ctrbench.sweep.estimates import Estimates, Trial
from ctrbench.sweep.jobs import plan_run

TINY = ["data.rows=2000", "data.vocabulary=30", "trainer.epochs=1", "model=lr", "threads=1"]


def finished(plan: RunPlan, seconds: float, rows: int = 4000) -> None:
    """A result of a planned run, made by hand."""
    result = {
        "status": "ok",
        "identity": plan.identity,
        "settings": plan.identity_settings,
        "seconds": {"prepare": 100.0, "train": seconds, "evaluate": 1.0, "pretrain": 2.0},
        "dataset": {"rows": {"train": rows - 200, "valid": 100, "test": 100}},
    }
    plan.directory.write("result.json", json.dumps(result))


def test_the_nearest_runs_count(settings: Compose) -> None:
    """Of the same settings but for the seed; else of those that differ in the fewest."""
    finished(RunPlan(settings("model=fm", "seed=1")), 10.0)
    finished(RunPlan(settings("model=fm", "seed=2")), 20.0)
    finished(RunPlan(settings("model=fm", "optimizer.lr=0.5")), 60.0)
    known = Estimates()
    assert known.seconds(RunPlan(settings("model=fm"))) == 18.0
    assert known.seconds(RunPlan(settings("model=fm", "optimizer.lr=0.5", "seed=9"))) == 63.0
    other = RunPlan(settings("model=fm", "optimizer.lr=0.5", "optimizer.eps=1e-7"))
    assert known.seconds(other) == 63.0
    assert known.seconds(RunPlan(settings("model=lr"))) is None


def test_other_rows(settings: Compose) -> None:
    """Three times the rows take three times as long."""
    finished(RunPlan(settings("model=fm")), 9.0)
    assert Estimates().seconds(RunPlan(settings("model=fm", "data.rows=12000"))) == 36.0


def test_a_trial_is_kept(settings: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "seconds_per_step", lambda self: 0.5)
    plan = RunPlan(settings("model=fnn", "model.hidden=[8]"))
    rows = plan.prepare().summary()["rows"]
    steps = rows["train"] / 512
    evaluated = 1 + rows["valid"] / rows["train"] * estimates.FORWARD
    expected = (2 + 10) * steps * 0.5 * evaluated  # two epochs, and of its FM, with no cap, ten
    assert Estimates().seconds(plan) is None
    assert Estimates(by_steps=True).seconds(plan) == pytest.approx(expected)
    assert Estimates().seconds(plan) == pytest.approx(expected)


def test_the_listing(tmp_path: Path) -> None:
    words = [*TINY, f"results={tmp_path}"]
    tried = ctrbench("reproduce", "--list", "--trial", "seed=0", *words)
    assert tried.returncode == 0, tried.stderr
    rows = {line.split()[0]: line.split()[1:3] for line in tried.stdout.splitlines() if line}
    assert rows["table2"][0] == "1" and rows["table2"][1] not in ("?", "no")
    assert rows["table1"] == rows["figure6"] == ["0", "no"]
    assert list(tmp_path.glob("runs/*")) == []


def test_the_listing_estimates_each_experiment_by_its_own_runs(tmp_path: Path) -> None:
    """Of the settings of its first job; seeds alone make runs too."""
    own = tmp_path / "own/experiment"
    own.mkdir(parents=True)
    for name, sweep in {
        "seeds": "{seed: [0, 1, 2]}",
        "deep": "{model: [dnn], model.layers: 3, seed: [0, 1]}",
        "flat": "{model: [dnn], model.layers: 1}",
    }.items():
        (own / f"{name}.yaml").write_text(
            f"# @package _global_\nexperiment: {{title: x, sweep: {sweep}}}\n"
        )
    words = ["data.rows=4000", "data.min_count=1", f"results={tmp_path}"]
    for layers, seconds in ((3, 600.0), (1, 60.0)):
        finished(plan_run(["model=dnn", f"model.layers={layers}", *words]), seconds)
    listed = ctrbench("reproduce", "--list", "-cd", str(tmp_path / "own"), *words)
    rows = {line.split()[0]: line.split()[1:4] for line in listed.stdout.splitlines() if line}
    assert rows["seeds"][:2] == ["3", "?"]
    assert rows["deep"] == ["2", "20", "min"] and rows["flat"] == ["1", "1", "min"]


def test_a_recipe_is_estimated_as_itself(tmp_path: Path) -> None:
    asked: list[str] = []

    class Noting(Estimates):
        def may_know(self, results: Results, data: str, model: str) -> bool:
            return model == "lr"

        def seconds(self, plan: RunPlan) -> float | None:
            recipe = plan.settings.recipe
            asked.append("" if recipe is None else recipe.data)
            return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "Estimates", Noting)
        patch.setattr(listing, "plan_run", _without_rows)
        listing.listing(["data=frappe_x1"], by_steps=False, activity=Activity("reading"))
    assert "frappe_x1" in asked and "" in asked


def _without_rows(words: list[str]) -> Any:
    """What is planned, of rows that are not there."""
    return SimpleNamespace(settings=to_settings(compose(words)))


def test_what_has_no_runs_is_not_made_by_a_dry_run(tmp_path: Path) -> None:
    done = ctrbench("reproduce", "figure6", "--dry-run", f"results={tmp_path / 'r'}")
    assert done.returncode == 0 and "has no runs" in done.stdout
    assert not (tmp_path / "r").exists()


def test_a_dry_run(tmp_path: Path) -> None:
    words = ["table2", *TINY, f"results={tmp_path}"]
    assert ctrbench("reproduce", *words, "seed=0").returncode == 0
    shown = ctrbench("reproduce", "--dry-run", *words, "seed=0,1").stdout.splitlines()
    assert shown[0].split() == ["finished", "seed=0"]
    assert shown[1].split()[:2] == ["not", "begun"] and shown[1].endswith("seed=1")
    assert shown[2].startswith("2 runs: 1 finished, 1 left, about ")
    assert len(list(tmp_path.glob("runs/*/*/*/result.json"))) == 1
    refused = ctrbench("reproduce", "--trial", *words)
    assert refused.stderr == "ctrbench: --trial: goes with --list or --dry-run\n"
