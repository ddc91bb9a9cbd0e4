"""A folder of one's own YAML files, which every verb finds; values that must not be taken."""

from pathlib import Path

import pytest
from support import Compose, ctrbench

from ctrbench.command.compose import compose, quoted, to_settings
from ctrbench.errors import UserError

EXPERIMENT = """\
# @package _global_
experiment:
  title: Mine
  sweep:
    model: [lr, narrow]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a model, a data set, its tuned values and an experiment."""
    files = {
        "model/narrow.yaml": "defaults: [fm]\nembedding_dim: 3\n",
        "data/tiny.yaml": "defaults: [planted]\nname: tiny\nrows: 600\nvocabulary: 20\n",
        "tuned/tiny_narrow.yaml": "# @package _global_\noptimizer:\n  lr: 0.03\n",
        "experiment/mine.yaml": EXPERIMENT,
    }
    for name, text in files.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path / "own"


def test_every_verb_finds_ones_own_files(own: Path, tmp_path: Path) -> None:
    flag, results = ["--config-dir", str(own)], f"results={tmp_path}/out"
    words = [*flag, "data=tiny", "threads=1", results]
    shown = ctrbench("train", *words, "model=narrow", "--cfg", "job", "-p", "optimizer.lr")
    assert shown.stdout == "0.03\n"
    for verb in ("prepare", "data"):
        done = ctrbench(verb, *words)
        assert done.returncode == 0 and "tiny" in done.stdout
    done = ctrbench("reproduce", "mine", *words, "trainer.epochs=1")
    assert done.returncode == 0 and done.stdout.startswith("# Mine")
    assert len(list((tmp_path / "out" / "runs" / "tiny").glob("*/*/result.json"))) == 2
    assert "mine " in ctrbench("reproduce", "--list", *flag).stdout
    assert "mine " not in ctrbench("reproduce", "--list").stdout
    assert "|narrow|" in ctrbench("train", "--help", *flag).stdout


@pytest.mark.parametrize(
    ("name", "text", "words", "told"),
    [
        ("model/fm.yaml", "a: 1", "", "ctrbench has a model/fm.yaml of its own; give it another"),
        ("experiment/table2.yaml", "", "", "ctrbench has a experiment/table2.yaml of its own"),
        ("model/bad.yaml", "a: [1", "model=bad", "bad.yaml"),
        ("model/bad.yaml", "defaults: [fm]\nhiden: 1", "model=bad", "model/bad: model.hiden"),
        (
            "tuned/bad.yaml",
            "# @package _global_\nnope: 1",
            "tuned=bad",
            "tuned/bad: nope: Key",
        ),
        ("model/bad.yaml", "defaults: [fm]\nembedding_dim: x", "model=bad", "model.embedding_dim"),
    ],
)
def test_wrong_files_of_ones_own(
    name: str, text: str, words: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    done = ctrbench("train", "--cfg", "job", "-cd", str(tmp_path), *words.split())
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1


def test_an_experiment_that_names_no_runs(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "half.yaml").write_text("title: x\n")
    done = ctrbench("reproduce", "half", "-cd", str(tmp_path))
    assert "experiment/half.yaml: names no runs; it needs" in done.stderr
    listed = ctrbench("reproduce", "--list", "-cd", str(tmp_path))
    assert "names no runs" in listed.stdout and "table2" in listed.stdout


@pytest.mark.parametrize("value", ["a=b.csv", "日本é.csv", 'a"b', "a\\b", "it's [x", "a, b\\"])
def test_quoted_values_arrive(value: str) -> None:
    word = quoted("data.path", value)
    assert to_settings(compose(["data=criteo", word])).data.path == value  # type: ignore[attr-defined]


def test_threads_beyond_use(settings: Compose) -> None:
    with pytest.raises(UserError, match=r"this machine has \d+ cores; give at most \d+"):
        settings("threads=100000")
