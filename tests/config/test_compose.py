"""A folder of one's own YAML files, which every verb finds; values that must not be taken."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from omegaconf import OmegaConf, open_dict
from support import Compose, ctrbench

from ctrbench.config.compose import (
    CONF,
    UNTUNED,
    compose,
    initialized_hydra,
    to_settings,
    without_tuned_values,
)
from ctrbench.config.explain import quote_override
from ctrbench.errors import UserError
from ctrbench.runs.frame import flatten

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
        "tuned/tiny/narrow.yaml": "# @package _global_\noptimizer:\n  lr: 0.03\n",
        "experiment/mine.yaml": EXPERIMENT,
    }
    for name, text in files.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
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
    assert "mine: no such experiment" in ctrbench("reproduce", "mine").stderr
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
        (
            "model/bad.yaml",
            "defaults: [fm]\nembedding_dim: x",
            "model=bad",
            "model/bad: model.embedding_dim=x: not a whole number",
        ),
        (
            "model/bad.yaml",
            "defaults: [deepfm]\nhidden: 3",
            "model=bad",
            "model/bad: model.hidden: give a list, model.hidden=[A,B]",
        ),
        (
            "tuned/bad.yaml",
            "# @package _global_\noptimizer: {lrr: 1}",
            "tuned=bad",
            "tuned/bad: optimizer.lrr: Key 'lrr' not in 'AdamSettings'; leave the tuned",
        ),
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


@pytest.mark.parametrize(
    "words",
    [
        "model=fnn pretraining.trainer.epochs=3 data=criteo data.path=x",
        "data.name=z model=wide_deep optimizer.wide.lr=.5 experiment=table2",
        "model.hidden=[3,4] tuned=none seed=1 seed=2 model.dropout=.2",
        "optimizer=adagrad model=lr_dnn optimizer.lr=.3 budget=small hydra.job.name=x",
        "+data.added=1 data.added=2 ++seed=4 seed=5",
        "~experiment seed=4",
    ],
)
def test_composed_as_by_hydra(words: str) -> None:
    """The first time, and from what was kept of other values."""
    with initialized_hydra():
        whole = hydra_compose("config", words.split())
    compose([f"{word}1" if ".lr=" in word else word for word in words.split()])
    for _ in range(2):
        config = compose(words.split())
        with open_dict(config):
            del config["hydra"]
        assert config == whole


@pytest.mark.parametrize("value", ["a=b.csv", "日本é.csv", 'a"b', "a\\b", "it's [x", "a, b\\"])
def test_quoted_values_arrive(value: str) -> None:
    word = quote_override("data.path", value)
    assert to_settings(compose(["data=criteo", word])).data.path == value  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("model.hidden=[10] model.layers=7", "model.layers: model.hidden gives each layer's width"),
        ("recipe=bars/criteo_x4/deepfm data=planted ++model.shape=diamond", "model.shape: model.h"),
        ("model.total_neurons=300 model.neurons=10", "model.neurons: model.total_neurons gives"),
        ("model.hidden=[8] model.total_neurons=9 model.neurons=1", "model.neurons: model.hidden g"),
    ],
)
def test_widths_that_change_nothing(words: str, told: str) -> None:
    """Unless what has their place is left out; those of files and budgets are told by no word."""
    with pytest.raises(UserError) as error:
        compose(words.split())
    assert str(error.value).startswith(told) and "leave one out (model." in str(error.value)
    assert compose([*words.split(), "model.hidden=null", "model.total_neurons=null"])
    assert compose(["budget=small", "model.hidden=[8]", "model.dropout=0"])


def test_an_added_key_in_a_job_of_hydra() -> None:
    config = compose(["+lr=.1"])
    with open_dict(config):
        del config["hydra"]
    with pytest.raises(UserError, match=r"lr: no such key; did you mean optimizer\.lr\?"):
        to_settings(config)


def test_threads_beyond_use(settings: Compose) -> None:
    with pytest.raises(UserError, match=r"this machine has \d+ cores; give at most \d+"):
        settings("threads=100000")


TUNED = sorted(Path(CONF, "tuned").glob("*/*.yaml"))
TUNED = [path for path in TUNED if Path(CONF, "model", path.name).exists()]  # of one model


def values_of(path: Path, part: str) -> dict[str, Any]:
    """What a file says itself of a part, by dotted keys."""
    said: Any = OmegaConf.to_container(OmegaConf.load(path))
    return flatten(said.get(part, {}))


@pytest.mark.parametrize("path", TUNED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_tuned_values_are_taken(path: Path) -> None:
    words = [f"data={path.parent.name}", f"model={path.stem}"]
    config: Any = OmegaConf.to_container(compose(words), resolve=True)
    for part in ("optimizer", "trainer", "model", "tuned"):
        assert values_of(path, part).items() <= flatten(config[part]).items()


@pytest.mark.parametrize(
    ("model", "other", "whose"),
    [
        ("lr", "adam", "another optimizer's"),
        ("fm", "adagrad", "adam's"),
        ("ffm", "adam", "adagrad's"),
        ("wide_deep", "adam", "another optimizer's"),
    ],
)
def test_tuned_values_are_of_one_optimizer(model: str, other: str, whose: str) -> None:
    with pytest.raises(UserError) as error:
        to_settings(compose(["data=planted", f"model={model}", f"optimizer={other}"]))
    assert str(error.value) == (
        f"optimizer={other}: the tuned values of this model are {whose}; leave them out with "
        "tuned=none"
    )


def test_words_that_take_tuned_values_only_where_they_ask_for_them() -> None:
    assert without_tuned_values(["model=fm"]) == [*UNTUNED, "model=fm"]
    assert without_tuned_values(["tuned=planted/fm"]) == ["tuned=planted/fm"]
    staged = without_tuned_values(["model=fnn", "tuned@pretraining=planted/fm"])
    assert staged == ["tuned=none", "model=fnn", "tuned@pretraining=planted/fm"]


def test_a_model_without_tuned_values() -> None:
    config = compose(["data=planted", "model=dnn"])
    assert config.get("tuned") is None and config.optimizer.lr == 0.001


def test_tuned_values_of_a_stage() -> None:
    config: Any = OmegaConf.to_container(compose(["data=criteo_sample", "model=fnn"]), resolve=True)
    path = Path(CONF, "tuned", "criteo_sample", "fm.yaml")
    for part in ("optimizer", "trainer"):
        own, stage = values_of(path, part), flatten(config["pretraining"][part])
        assert own and own.items() <= stage.items()
        assert not own.items() <= flatten(config[part]).items()


def test_what_tuned_values_say_of_themselves_decides_nothing(own: Path, tmp_path: Path) -> None:
    words = ["-cd", str(own), "data=tiny", "model=narrow", "threads=1", "trainer.epochs=1"]
    results = f"results={tmp_path}/out"
    ctrbench("train", *words, results)
    path = own / "tuned" / "tiny" / "narrow.yaml"
    path.write_text(path.read_text() + "tuned: {trials: 7, content: '0', note: found by hand}\n")
    again = ctrbench("train", *words, results)
    assert "already finished" in again.stderr and "were found on other rows" in again.stderr
    path.write_text(path.read_text().replace("trials: 7", "trails: 7"))
    assert "tuned/tiny/narrow" in ctrbench("train", *words, results).stderr


def test_tuned_values_of_rows_with_a_name_of_their_own(own: Path) -> None:
    """By ``data.name``, in a sweep too; ours come after those of one's own."""
    (own / "tuned" / "clicks").mkdir()
    (own / "tuned" / "clicks" / "fm.yaml").write_text(
        "# @package _global_\noptimizer:\n  lr: 0.07\n"
    )
    (own / "tuned" / "planted").mkdir()
    (own / "tuned" / "planted" / "fm.yaml").write_text(
        "# @package _global_\noptimizer:\n  lr: 0.08\n"
    )

    def lr(*words: str) -> str:
        words = ("--cfg", "job", "-p", "optimizer.lr", "-cd", str(own), *words)
        return ctrbench("train", *words).stdout

    ours = values_of(Path(CONF, "tuned", "planted", "opnn.yaml"), "optimizer")["lr"]
    assert ours != 0.001
    assert lr("model=fm", "data.name=clicks") == "0.07\n"
    assert lr("-m", "model=fm,dnn", "data.name=clicks") == "0.07\n0.001\n"
    assert lr("model=fm") == "0.08\n" and lr("model=opnn") == f"{ours}\n"
    assert lr("model=fm", "data.name=clicks", "tuned=none") == "0.001\n"
    assert lr("model=fm", "data.name=unheard") == "0.08\n"
    words = ["--cfg", "job", "-p", "pretraining.optimizer.lr", "-cd", str(own), "model=fnn"]
    assert ctrbench("train", *words, "data.name=clicks").stdout == "0.07\n"
