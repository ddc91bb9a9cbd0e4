"""The jobs of a sweep: what lists stand for, and what is refused before the first one starts."""

import json
import shlex
from pathlib import Path

import pytest
from support import ctrbench

from ctrbench.command.experiments import find_experiment, sweep_overrides
from ctrbench.config.compose import compose
from ctrbench.data.sources.planted import Planted
from ctrbench.errors import UserError
from ctrbench.sweep.jobs import plan_jobs, sweep_jobs

SMALL = ["data.rows=2000", "data.vocabulary=30", "trainer.epochs=1", "threads=1"]


@pytest.mark.parametrize(
    ("words", "key", "expected"),
    [
        ("model=fm,deepfm model.dropout=.1,.3", "model.dropout", [None, "0.1", "0.3"]),
        ("model=lr,fm model.embedding_dim=4", "model.embedding_dim", [None, "4"]),
        ("model=cin,fm model.cin_maps=[4]", "model.cin_maps", ["[4]", None]),
        ("optimizer=adam,adagrad optimizer.betas=[.8,.9]", "optimizer.betas", ["[.8,.9]", None]),
        ("model=lr,fm optimizer.l1=.1", "optimizer.l1", [".1", None]),
        ("model=fnn,fm pretraining.trainer.epochs=2", "pretraining.trainer.epochs", ["2", None]),
        ("model=fnn,fm model.init_std=.02", "model.init_std", [None, ".02"]),
        ("data=planted,criteo data.rows=900", "data.rows", ["900", None]),
    ],
)
def test_an_option_goes_to_the_jobs_that_have_it(
    words: str, key: str, expected: list[str | None], caplog: pytest.LogCaptureFixture
) -> None:
    """What is left out is said once, and each job composes."""
    caplog.set_level("INFO")
    made = sweep_jobs([*words.split(), "tuned=none", "tuned@pretraining=none"])
    values = [dict(word.split("=", 1) for word in job.overrides).get(key) for job in made]
    assert values == expected
    assert [record.message.partition(":")[0] for record in caplog.records] == [key]
    for job in made:
        assert compose(job.overrides)


@pytest.mark.parametrize("words", ["model=lr,fm model.dropuot=.1", "model=lr,fm model.dropout=.1"])
def test_an_option_that_no_job_has(words: str) -> None:
    key = words.split()[1].partition("=")[0]
    with pytest.raises(UserError, match=f"{key}: no such key"):
        plan_jobs(sweep_jobs(words.split()))


@pytest.mark.parametrize(
    "word", ["seed=range(0)", "seed=range(3,0)", "model=glob(zzz*)", "model.dropout=range(1,1)"]
)
@pytest.mark.parametrize("verb", [["train", "-m"], ["reproduce", "figure8"], ["bench"], ["tune"]])
def test_a_list_without_a_value(verb: list[str], word: str, tmp_path: Path) -> None:
    done = ctrbench(*verb, word, f"results={tmp_path}/out")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"ctrbench: {word}: ") and not (tmp_path / "out").exists()


EXPERIMENT = """\
# @package _global_
experiment:
  title: mine
  sweep: {model: lr, SWEEP}
"""


def own_sweep(folder: Path, sweep: str) -> list[dict[str, str]]:
    """The overrides of each job of an experiment of one's own."""
    (folder / "experiment").mkdir()
    text = EXPERIMENT.replace("SWEEP", sweep)
    (folder / "experiment" / "mine.yaml").write_text(text)
    from ctrbench.config.compose import use_folder

    use_folder(str(folder))
    try:
        experiment = find_experiment("mine", [])
        made = sweep_jobs(sweep_overrides("mine", experiment, []))
        return [dict(word.split("=", 1) for word in job.overrides) for job in made]
    finally:
        use_folder(None)


@pytest.mark.parametrize(
    ("sweep", "key", "values"),
    [
        ("trainer.clip_norm: [null, 1, 10]", "trainer.clip_norm", [None, 1.0, 10.0]),
        ("trainer.ema: [null, 0.9]", "trainer.ema", [None, 0.9]),
        ("data.effects: ['[1,0,0,0]', [0.5, 0.5, 0, 0]]", "data.effects", [[1], [0.5, 0.5]]),
        ('data.name: ["q,r", s]', "data.name", ["q,r", "s"]),
        (
            "data.history: [{user: user, time: time, of: [C1], length: 4, labels: false}]",
            "data.history.length",
            [4],
        ),
        ("seed: '3,4'", "seed", [3, 4]),
        ("seed: range(2)", "seed", [0, 1]),
        ("seed: 7", "seed", [7]),
    ],
)
def test_values_of_an_experiment_mean_what_they_mean_on_the_command_line(
    sweep: str, key: str, values: list[object], tmp_path: Path
) -> None:
    from omegaconf import OmegaConf

    made = own_sweep(tmp_path, sweep)
    words = [[f"{k}={v}" for k, v in job.items() if k != "experiment"] for job in made]
    found = [OmegaConf.select(compose(one), key) for one in words]
    if key == "data.effects":
        found = [[value for value in effects if value] for effects in found]
    assert found == values


def test_an_experiment_with_an_empty_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"experiment/mine.yaml: sweep.seed: holds no value"):
        own_sweep(tmp_path, "seed: []")


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize("name", ["figure8", "table2", "bars", "table1", "moods"])
def test_train_refuses_the_sweep_of_an_experiment(flags: list[str], name: str) -> None:
    done = ctrbench("train", *flags, f"experiment={name}", "seed=0")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"ctrbench reproduce {name}" in done.stderr


def test_train_takes_one_job_of_an_experiment() -> None:
    words = ["experiment=figure8", "model=deepfm", "model.dropout=.1", "seed=0"]
    assert ctrbench("train", *words, "--cfg", "job", "-p", "model.dropout").stdout == "0.1\n"


@pytest.mark.parametrize(
    "text", ["mode: MULTIRUN", "sweeper: {params: {seed: '1,2'}}", "launcher: {n: 1}"]
)
def test_a_file_that_asks_for_a_sweep(text: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    path = tmp_path / "experiment" / "mine.yaml"
    path.write_text(f"# @package _global_\nhydra: {{{text}}}\n")
    done = ctrbench("train", "experiment=mine", "-cd", str(tmp_path), "--cfg", "job", "-p", "seed")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "hydra" in done.stderr


@pytest.mark.parametrize(
    "word",
    [
        "hydra.sweep.dir=x",
        "hydra.run.dir=x",
        "hydra.sweep.subdir=x",
        "hydra.verbose=true",
        "hydra/job_logging=default",
        "hydra/hydra_logging=colorlog",
        "hydra.job.chdir=true",
        "hydra.output_subdir=x",
        "+hydra.callbacks.x._target_=y",
        "hydra.help.header=x",
    ],
)
@pytest.mark.parametrize("verb", ["train", "reproduce figure8", "prepare"])
def test_settings_of_hydra_without_an_effect(verb: str, word: str) -> None:
    done = ctrbench(*verb.split(), word)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "hydra" in done.stderr and ":" in done.stderr


def test_a_traceback_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = ctrbench("train", "model.dropout=2", "--cfg", "job")
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ctrbench: model.dropout=2")


def test_variables_of_the_environment(tmp_path: Path) -> None:
    words = ["model=lr", "seed=0,1", *SMALL, f"results={tmp_path}"]
    done = ctrbench("train", "-m", *words, "+hydra.job.env_set.CTRBENCH_X=1")
    assert done.returncode == 0, done.stderr
    missing = ctrbench("train", "-m", *words, "hydra.job.env_set.CTRBENCH_X=1")
    assert "+hydra.job.env_set.CTRBENCH_X" in missing.stderr


def test_a_finished_sweep_starts_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of a sweep runs under its number in it, and the data is opened once."""
    opened = []
    check = Planted.check
    monkeypatch.setattr(Planted, "check", lambda self: opened.append(self) or check(self))
    words = ["model=lr", *SMALL, f"results={tmp_path}"]
    assert ctrbench("train", "-m", *words, "seed=1,1").returncode == 0
    again = ctrbench("train", "-m", *words, "seed=0,1,2")
    assert again.returncode == 0 and again.stderr.splitlines()[-1] != ""
    (folder,) = (p for p in tmp_path.glob("multirun/*") if len(list(p.glob("job-*"))) == 2)
    numbers = [json.loads(path.read_text())["number"] for path in sorted(folder.glob("job-*"))]
    assert numbers == [0, 2]
    opened.clear()
    before = len(list(tmp_path.glob("multirun/*")))
    last = ctrbench("train", "-m", *words, "seed=0,1,2")
    assert "3 of 3 done" in last.stderr and last.returncode == 0
    assert len(list(tmp_path.glob("multirun/*"))) == before and len(opened) == 1


def test_the_table_that_ends_a_sweep(tmp_path: Path) -> None:
    """Averaged over seeds, with the options that were swept; the next command works as printed."""
    words = ["model=lr,dnn", "model.neurons=4,8", "seed=0,1", *SMALL, f"results={tmp_path}"]
    done = ctrbench("train", "-m", *words)
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    assert cells[0] == ["model", "model.neurons", "runs", "valid AUC", "valid logloss"]
    assert [row[:3] for row in cells[2:]] == [
        ["lr", "-", "2"],
        ["dnn", "4", "2"],
        ["dnn", "8", "2"],
    ]
    results = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/lr/*/result.json")]
    mean = sum(result["metrics"]["valid"]["logloss"] for result in results) / 2
    assert cells[2][4] == f"{mean:.5f}"
    assert sum("*" in line for line in table) == 1
    command = done.stdout.splitlines()[-1].removeprefix("next: ")
    assert ctrbench(*shlex.split(command)[1:]).returncode == 0


def test_the_table_of_a_sweep_with_failures(tmp_path: Path) -> None:
    words = ["model=fm", "optimizer.lr=1e30,.01", *SMALL, f"results={tmp_path}"]
    done = ctrbench("train", "-m", *words)
    assert done.returncode == 1 and "| fm    | 0.01 " in done.stdout
    assert "1e+30" not in done.stdout


def test_options_swept_together(tmp_path: Path) -> None:
    """By a file for each setting, or by an option that takes the value of another."""
    (tmp_path / "experiment").mkdir()
    for name, layers in (("wide", "[9]"), ("deep", "[3, 3]")):
        values = f"model: {{hidden: {layers}}}\noptimizer: {{lr: 0.{len(layers)}}}\n"
        text = f"# @package _global_\n{values}"
        (tmp_path / "experiment" / f"{name}.yaml").write_text(text)
    show = ["train", "-m", "--cfg", "job", "-p", "optimizer.lr"]
    words = ["-cd", str(tmp_path), "experiment=wide,deep", "model=dnn"]
    assert ctrbench(*show, *words).stdout.split() == ["0.3", "0.6"]
    done = ctrbench(*show, "trainer.ema=.5,.9", "optimizer.lr=${trainer.ema}")
    assert done.stdout.split() == ["0.5", "0.9"]


@pytest.mark.parametrize("word", ["zzz=a,b", "+zzz=a,b"])
def test_the_way_to_sweep_options_together_is_named(word: str) -> None:
    done = ctrbench("train", "-m", word)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "zzz: no such key" in done.stderr and "experiment=A,B" in done.stderr


def test_a_hint_for_a_glob_works_as_printed() -> None:
    done = ctrbench("train", "-m", "model=glob([a]*)")
    word = shlex.split(done.stderr)[-1]
    assert {job.swept[0] for job in sweep_jobs([word])} >= {"model=afm", "model=afn"}
