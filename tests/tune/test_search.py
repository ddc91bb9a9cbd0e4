"""Searches: their trials, what they leave, how they go on and share their work."""

import json
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from filelock import FileLock
from optuna.storages.journal import JournalFileBackend, JournalStorage
from support import ctrbench, small

from ctrbench import load_runs
from ctrbench.errors import UserError
from ctrbench.sweep.jobs import plan_run
from ctrbench.tune.request import Request
from ctrbench.tune.search import Search

ROWS = ["data.rows=3000", "data.vocabulary=30", "threads=1", "trainer.epochs=2"]
FM = ["model=fm", "trainer.batch_size=256", *ROWS]


def study_in(folder: Path) -> optuna.Study:
    """The one search below a folder, read by Optuna's own reader."""
    (journal,) = folder.glob("tune/*/*/*/journal.log")
    storage = JournalStorage(JournalFileBackend(str(journal)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def words_of(study: optuna.Study) -> list[Any]:
    """What the trials that have ended were given, in order."""
    ended = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    return [trial.user_attrs["words"] for trial in ended]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of four trials."""
    folder = tmp_path_factory.mktemp("done")
    told = ctrbench("tune", *FM, "trials=4", f"results={folder}")
    assert told.returncode == 0, told.stderr
    (folder / "told").write_text(told.stdout)
    return folder


def test_what_a_search_leaves(done: Path) -> None:
    study = study_in(done)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    found = yaml.safe_load((done / "conf/tuned/planted/fm.yaml").read_text())
    assert found["optimizer"].keys() == {"name", "lr", "l2_embedding"}
    assert found["model"].keys() == {"init_std"}
    assert found["trainer"] == {"batch_size": 256, "epochs": 2}
    tuned = found["tuned"]
    assert (tuned["trials"], tuned["pruned"], tuned["seed"]) == (4, 0, 0)
    assert tuned["valid"]["logloss"] == study.best_value == min(t.value for t in study.trials)
    assert tuned["budget"] == "none"
    assert tuned["patience"] == 3 and tuned["split"]["fractions"] == [0.8, 0.1, 0.1]
    assert tuned["search"].keys() == study.best_params.keys()
    assert tuned["versions"]["optuna"] == optuna.__version__
    first = study.trials[0].params  # the defaults, as near as the ranges come
    assert first["model.init_std"] == 0.01 and first["optimizer.l2_embedding"] == 1e-7


def test_a_sum_of_figures_decides(tmp_path: Path) -> None:
    words = ["trainer.monitor={auc:1,logloss:-1}", "schedule=plateau", "trials=2"]
    told = ctrbench("tune", *FM, *words, f"results={tmp_path}")
    assert told.returncode == 0 and "valid 1 auc - 1 logloss" in told.stderr, told.stderr
    study = study_in(tmp_path)
    figures = [trial.user_attrs["valid"] for trial in study.trials]
    sums = [valid["auc"] - valid["logloss"] for valid in figures]
    assert [trial.value for trial in study.trials] == sums and study.best_value == max(sums)
    for trial, best in zip(study.trials, sums, strict=True):
        assert max(trial.intermediate_values.values()) == best
    found = yaml.safe_load((tmp_path / "conf/tuned/planted/fm.yaml").read_text())
    assert found["tuned"]["monitor"] == found["trainer"]["monitor"] == {"auc": 1, "logloss": -1}
    shown = ctrbench(*told.stdout.splitlines()[1].replace("'", "").split()[1:])
    assert shown.returncode == 0, shown.stderr
    assert load_runs(tmp_path)["identity"][0] == study.best_trial.user_attrs["identity"]


def test_the_command_that_is_told_makes_the_run_of_the_best_trial(done: Path) -> None:
    summary, command = (done / "told").read_text().splitlines()[:2]
    assert "of 4 trials (0 ended early)" in summary and "logloss" in summary
    words = command.split()
    assert words[:2] == ["ctrbench", "train"]
    shown = ctrbench(*words[1:])
    assert shown.returncode == 0, shown.stderr
    (row,) = load_runs(done).to_dict("records")  # and no trial is a run
    study = study_in(done)
    assert row["identity"] == study.best_trial.user_attrs["identity"]
    assert row["metrics.valid.logloss"] == study.best_value
    assert "other rows" not in shown.stderr
    shutil.rmtree(done / "runs")


def test_trials_look_at_no_test_rows(done: Path) -> None:
    trials = list(done.glob("tune/*/*/*/*/trial.json"))
    assert len(trials) == 4
    for path in trials:
        assert json.loads(path.read_text())["metrics"].keys() == {"valid"}
        left = {file.name for file in path.parent.iterdir()}
        assert left == {"trial.json", "history.jsonl", "config.yaml", "encoder"}
    assert not (done / "runs").exists() and not list(done.rglob("logits.npy"))
    with pytest.raises(UserError, match="no run here"):
        load_runs(done / "tune")


def test_a_search_goes_on_to_its_number_and_as_if_it_had_not_stopped(
    done: Path, tmp_path: Path
) -> None:
    again = ctrbench("tune", *FM, "trials=4", f"results={done}")
    assert "trial " not in again.stderr and again.stdout == (done / "told").read_text()
    shutil.copytree(done / "stores", tmp_path / "stores")
    for trials in (1, 3, 4):
        ctrbench("tune", *FM, f"trials={trials}", f"results={tmp_path}")
    assert words_of(study_in(tmp_path)) == words_of(study_in(done))
    other = ctrbench("tune", *FM, "trials=1", "seed=1", f"results={tmp_path}")
    assert other.returncode == 0 and len(list(tmp_path.glob("tune/planted/fm/*"))) == 2


def summary(study: optuna.Study) -> list[Any]:
    """Place, overrides, result and every reported figure of the trials that have ended."""
    ended = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    return [(*trial.user_attrs.items(), trial.value, trial.intermediate_values) for trial in ended]


@pytest.mark.parametrize("part", [0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
def test_a_search_that_was_killed_ends_as_one_that_was_not(
    part: float, done: Path, tmp_path: Path
) -> None:
    """Its journal ends anywhere, in the middle of a line too; the trials may be finished."""
    for name in ("stores", "tune"):
        shutil.copytree(done / name, tmp_path / name)
    (journal,) = tmp_path.glob("tune/*/*/*/journal.log")
    data = journal.read_bytes()
    journal.write_bytes(data[: int(part * len(data))])
    for path in list(journal.parent.glob("*/trial.json"))[::2]:  # the others are trained again
        shutil.rmtree(path.parent)
    again = ctrbench("tune", *FM, "trials=4", f"results={tmp_path}")
    assert again.returncode == 0, again.stderr
    assert summary(study_in(tmp_path)) == summary(study_in(done))
    found = "conf/tuned/planted/fm.yaml"
    assert (tmp_path / found).read_bytes() == (done / found).read_bytes()


def test_a_damaged_journal_is_named(done: Path, tmp_path: Path) -> None:
    for name in ("stores", "tune"):
        shutil.copytree(done / name, tmp_path / name)
    (journal,) = tmp_path.glob("tune/*/*/*/journal.log")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:5], lines[5][:-4], *lines[6:], ""]))
    again = ctrbench("tune", *FM, "trials=4", f"results={tmp_path}")
    assert again.returncode == 1 and str(journal) in again.stderr.splitlines()[-1]


def test_values_of_a_dead_trial_are_kept(done: Path, tmp_path: Path) -> None:
    """What it drew may depend on trials that another process had under way."""
    shutil.copytree(done / "stores", tmp_path / "stores")
    ctrbench("tune", *FM, "trials=1", f"results={tmp_path}")
    study = study_in(tmp_path)
    values = {"model.init_std": 0.02, "optimizer.lr": 0.005, "optimizer.l2_embedding": 1e-5}
    study.enqueue_trial(values, user_attrs={"place": 1})
    dead = study.ask(study.trials[0].distributions)  # as a process does that is killed then
    dead.set_user_attr("words", [f"{key}={value}" for key, value in values.items()])
    ctrbench("tune", *FM, "trials=3", f"results={tmp_path}")
    trials = study_in(tmp_path).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[2].params == values
    assert [trial.user_attrs["place"] for trial in trials] == [0, 1, 1, 2]


def test_a_search_waits_for_the_trials_of_others(done: Path, tmp_path: Path) -> None:
    """It reports what is final: the values of every trial, or it runs a dead one's itself."""
    shutil.copytree(done / "stores", tmp_path / "stores")
    ctrbench("tune", *FM, "trials=1", f"results={tmp_path}")
    study = study_in(tmp_path)
    study.enqueue_trial({}, user_attrs={"place": 1})
    number = study.ask(study.trials[0].distributions).number
    (journal,) = tmp_path.glob("tune/*/*/*/journal.log")
    lock = FileLock(journal.with_name(f".trial-{number}.lock"))
    with ThreadPoolExecutor() as pool, lock:
        request = Request("fm", [*FM[1:], f"results={tmp_path}"])
        search = pool.submit(Search(request, 2, 9).run)
        assert wait([search], 2).not_done
        lock.release()
        assert len(words_of(search.result(60))) == 2


def test_two_processes_share_a_search(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "stores", tmp_path / "stores")
    words = ["tune", *FM, "trials=6", f"results={tmp_path}"]
    command = [sys.executable, "-m", "ctrbench", *words]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert all("trial " in text for text in told)  # each had a part of the work
    study = study_in(tmp_path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 6
    assert max(Counter(map(str, words_of(study))).values()) == 1
    found = yaml.safe_load((tmp_path / "conf/tuned/planted/fm.yaml").read_text())
    assert found["tuned"]["trials"] == 6
    assert found["tuned"]["valid"]["logloss"] == study.best_value


def test_a_loss_that_is_not_finite_ends_a_trial_and_not_the_search(tmp_path: Path) -> None:
    words = [*FM, "search.optimizer.lr=choice(1e30,0.01)", "trials=4", f"results={tmp_path}"]
    done = ctrbench("tune", *words)
    assert done.returncode == 0, done.stderr
    states = Counter(trial.state.name for trial in study_in(tmp_path).trials)
    assert states["PRUNED"] > 0 < states["COMPLETE"] and sum(states.values()) == 4
    assert "ended early: the training loss is" in done.stderr
    none = [*FM, "search.optimizer.lr=choice(1e30,1e31)", "trials=2", f"results={tmp_path}"]
    told = ctrbench("tune", *none).stderr
    assert "no trial came to an end; lower search.optimizer.lr\n" in told


def test_fnn_starts_from_the_fm_that_was_tuned(tmp_path: Path) -> None:
    """Both in one command; the stage of a trial is a trial too."""
    own = [*ROWS, "trainer.epochs=1", f"results={tmp_path}", "trainer.batch_size=512", "trials=2"]
    words = [word for word in small("fnn") if "model=" not in word and "pretraining" not in word]
    hidden = [word for word in words if "hidden" in word]
    assert ctrbench("tune", "model=fm", *own).returncode == 0
    done = ctrbench("tune", "model=fnn", *hidden, *own)
    assert done.returncode == 0, done.stderr
    fm = yaml.safe_load((tmp_path / "conf/tuned/planted/fm.yaml").read_text())
    configs = [
        yaml.safe_load(path.read_text()) for path in tmp_path.glob("tune/*/fnn/*/*/config.yaml")
    ]
    assert {config["pretraining"]["optimizer"]["lr"] for config in configs} == {
        fm["optimizer"]["lr"]
    }
    stages = list(tmp_path.glob("tune/planted/fnn/*/pretraining/*/trial.json"))
    assert len(stages) == 1 and not (tmp_path / "runs").exists()


def test_values_are_written_to_ones_own_folder(done: Path, tmp_path: Path) -> None:
    """Where rows with a name of their own find them; several models in one command."""
    own = tmp_path / "own"
    own.mkdir()
    words = [
        "-cd",
        str(own),
        *ROWS,
        "trainer.epochs=1",
        "data.name=clicks",
        f"results={tmp_path}/out",
    ]
    done_here = ctrbench("tune", "model=lr,fm", "trials=1", "trainer.batch_size=512", *words)
    assert done_here.returncode == 0 and done_here.stdout.count("ctrbench train --config-dir") == 2
    found = yaml.safe_load((own / "tuned/clicks/fm.yaml").read_text())
    assert {path.name for path in own.glob("tuned/clicks/*")} == {"fm.yaml", "lr.yaml"}
    shown = ctrbench("train", "--cfg", "job", "-p", "optimizer.lr", "model=fm", *words)
    assert float(shown.stdout) == found["optimizer"]["lr"]


def test_the_default_values_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    """A search begins at the model's own values, not at those that were tuned before."""
    words = [*FM, "data=planted", f"results={tmp_path}"]
    assert plan_run(words).settings.optimizer.lr != 0.001  # type: ignore[attr-defined]
    ctrbench("tune", *words, "trials=1")
    assert study_in(tmp_path).trials[0].params["optimizer.lr"] == 0.001
    asked = [*words, "tuned=planted/fm"]
    tuned = plan_run(asked).settings.optimizer.lr  # type: ignore[attr-defined]
    ctrbench("tune", *asked, "trials=1", f"results={tmp_path / 'asked'}")
    assert study_in(tmp_path / "asked").trials[0].params["optimizer.lr"] == tuned != 0.001


RECIPE = [
    "recipe=bars/frappe_x1/fm",
    "data=planted",
    "search.optimizer.lr=choice(0.01,0.02)",
    "search.model.init_std=choice(0.02,0.03)",
    "schedule=constant",
    "trainer.monitor=logloss",
]


@pytest.mark.parametrize(
    "more", [["budget=small"], ["optimizer=adagrad", "tuned=none"], ["tuned=planted/fm"], RECIPE]
)
def test_the_command_that_is_told_takes_the_values_whatever_was_given(
    more: list[str], tmp_path: Path
) -> None:
    words = [*FM, "search.trainer.patience=choice(3,4)", *more, f"results={tmp_path}"]
    told = ctrbench("tune", *words, "trials=2")
    assert told.returncode == 0, told.stderr
    command = shlex.split(told.stdout.splitlines()[1])
    tuned = [word for word in command if word.startswith("tuned=")]
    assert tuned == ([] if more is RECIPE else ["tuned=planted/fm"])
    shown = ctrbench(*command[1:])
    assert shown.returncode == 0, shown.stderr
    assert (
        load_runs(tmp_path)["identity"][0] == study_in(tmp_path).best_trial.user_attrs["identity"]
    )


def test_models_in_turn_and_the_table_of_what_was_found(tmp_path: Path) -> None:
    """An option goes to the models that have it; the next command takes what was found."""
    words = ["model=lr,dnn", "model.neurons=4", "search.model.dropout=choice(0,.1)", "trials=2"]
    done = ctrbench("tune", *words, *ROWS, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "lr: trial 2 of 2, about " in done.stderr and "dnn: trial 1 of 2: " in done.stderr
    assert sum("which has no such option" in line for line in done.stderr.splitlines()) == 2
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line[:1] == "|"]
    assert [row for row in rows if row in ("lr", "dnn")] == ["lr", "dnn"]
    command = done.stdout.splitlines()[-1].removeprefix("next: ")
    shown = ctrbench(*shlex.split(command)[1:], "--cfg", "job", "-p", "model.name")
    assert shown.stdout.split() == ["lr"] * 3 + ["dnn"] * 3
