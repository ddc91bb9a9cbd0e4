"""What is searched: how ranges are read, drawn and refused."""

from functools import cache
from pathlib import Path

import optuna
import pytest
from support import ctrbench

from ctrbench.config.compose import UserFolder, choices
from ctrbench.tune.request import Request
from ctrbench.tune.space import Range, examples, search_space

LOG = "tag(log,interval(1e-4,1e-1))"


@cache
def one(text: str, key: str = "optimizer.lr") -> Range:
    """A range beside those of FM's file."""
    space = search_space("fm", [f"search.{key}={text}"], [])
    return next(found for found in space if found.key == key)


def texts(model: str) -> dict[str, str]:
    """The ranges of a model, as they were written."""
    return {found.key: found.text for found in search_space(model, [], [])}


def drawn(text: str) -> list[str]:
    """Values of two hundred trials."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = one(text)
    return [found.suggest(study.ask()) for _ in range(200)]


def test_ranges_as_hydra_writes_them() -> None:
    assert set(drawn("choice(8,16,[1,2])")) == {"8", "16", "[1,2]"}
    assert set(drawn("range(2,8,2)")) == {"2", "4", "6"}
    assert set(drawn("range(0.0,0.3,0.1)")) == {"0", "0.1", "0.2"}
    assert set(drawn("int(interval(1,4))")) == {"1", "2", "3", "4"}
    even = [float(value) for value in drawn("interval(0,10)")]
    assert 0 <= min(even) < 1 and 9 < max(even) <= 10 and 4 < sum(even) / 200 < 6
    logs = drawn(LOG)
    assert 110 < sum(float(value) < 1e-2 for value in logs) < 160  # two thirds of the scale
    assert all(len(value.partition("e")[0].replace(".", "").lstrip("0")) <= 3 for value in logs)


def test_a_search_begins_at_the_nearest_value() -> None:
    assert one(LOG).nearest(0.0) == 1e-4 and one(LOG).nearest(0.02) == 0.02
    assert one("range(0.0,0.6,0.1)").nearest(0.27) == pytest.approx(0.3)
    assert one("range(0.0,0.6,0.1)").nearest(0.9) == pytest.approx(0.5)
    assert one("range(2,9,2)").nearest(5) in (4, 6)
    assert one("choice(8,16)").nearest(8) == "8" and one("choice(8,16)").nearest(9) is None
    assert one(LOG).nearest(None) is None


def test_every_file_of_ranges_has_a_learning_rate_and_l2() -> None:
    """By a model of each: those with one of their own, one of the other networks, one without."""
    for model in ({*choices("model")} & {*choices("search")}) | {"dcnv2", "hofm"}:
        keys = {found.key for found in search_space(model, [], [])}
        assert any(key.endswith("lr") for key in keys)
        assert any(".l2" in key for key in keys)
        assert not keys & {"model.embedding_dim", "model.hidden", "model.neurons", "model.layers"}


def test_a_model_without_a_file_of_its_own_has_the_space_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "narrow.yaml").write_text("defaults: [deepfm]\nhidden: [8]\n")
    monkeypatch.setattr(UserFolder, "folder", tmp_path)
    network, factorised = (texts(name) for name in ("narrow", "cin"))
    assert network == texts("xdeepfm") and factorised == texts("hofm")
    assert network.keys() == {*factorised, "model.dropout", "trainer.batch_size"}
    assert network["optimizer.lr"] != factorised["optimizer.lr"]
    assert set(choices("search")) - set(choices("model")) == {"network", "factorised"}


def test_words_take_the_place_of_ranges() -> None:
    before = texts("fm")
    words = [f"search.optimizer.lr={LOG}", "search.optimizer.eps=choice(1e-8,1e-6)"]
    after = {found.key: found.text for found in search_space("fm", words, ["model.init_std"])}
    assert after["optimizer.lr"] == LOG != before["optimizer.lr"]
    assert set(after) == {*before, "optimizer.eps"} - {"model.init_std"}


def test_examples_have_every_choice_and_both_ends() -> None:
    words = [word for row in examples([one("choice(8,16)"), one(LOG, "model.x")]) for word in row]
    assert {"optimizer.lr=8", "optimizer.lr=16", "model.x=0.0001", "model.x=0.1"} < set(words)


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("model.layers", "int(interval(1,3))", {"1", "3"}),
        ("model.neurons", "range(100,401,100)", {"100", "400"}),
        ("model.dropout", "range(0,0.6,0.1)", {"0", "0.5"}),
        ("trainer.patience", "int(interval(3,9))", {"3", "9"}),
    ],
)
def test_ranges_that_a_run_takes(key: str, text: str, shown: set[str], tmp_path: Path) -> None:
    """Whole numbers of keys that take no others, and a range that begins at a whole one."""
    words = ["data=planted", "data.rows=300", f"search.{key}={text}", f"results={tmp_path}"]
    space = Request("deepfm", words).space
    (found,) = (each for each in space if each.key == key)
    assert set(found.examples()) == shown


MISTAKES = {
    "hydra/launcher=joblib": "hydra/launcher=joblib: trials run one after the other",
    "hydra.job.num=1": "hydra.job.num=1: trials run one after the other; processes of the same",
    "trials=0": "trials=0: must be at least 1 (trials per model",
    "trials=many": "trials=many: not a whole number",
    "warmup=0": "warmup=0: must be at least 1",
    "trails=3": "trails: no such key; did you mean trials?",
    "search.optimizer.lr=interval(2,1)": "search.optimizer.lr=interval(2,1): is empty; give",
    "search.optimizer.lr=range(2,2)": "search.optimizer.lr=range(2,2): is empty",
    "search.optimizer.lr=tag(log,interval(0,1))": "a logarithmic scale begins above 0",
    "search.optimizer.lr=.1": "search.optimizer.lr=.1: is one value; give interval()",
    "search.optimizer.lr=interval(a,b)": "mismatch type argument",
    "search.optimizer.lr=interval(-1,1)": "search.optimizer.lr=-1.0: must be more than 0",
    "search.optimizer.lrr=interval(0,1)": "search.optimizer.lrr: no such key; did you mean lr?",
    "search.model.dropout=interval(0,2)": "search.model.dropout=2.0: must be less than 1",
    "search.model.activation=choice(relu,relo)": "search.model.activation=relo: not known",
    "search.model.layers=interval(1,5)": "search.model.layers=2.528: not a whole number",
    "search.data.rows=choice(10,20)": "search.data.rows: is not searched; what is: model.KEY",
    "search.seed=choice(1,2)": "search.seed: is not searched",
    "search.optimizer.lr=interval(1,2) optimizer.lr=1": "optimizer.lr has a value too",
    "optimizer.lr=interval(1,2)": "several values are searched by search.optimizer.lr=interval",
    "model=fm,deepfn": "model=deepfn: no such choice; did you mean deepfm?",
    "model=fm,lr model.maps=[3]": "model.maps: no such key",
    "model=lr optimizer.lr=1 optimizer.beta=1 optimizer.l1=1 optimizer.l2=1": "nothing is left to",
    "data=criteo": "data=criteo needs data.path=FILE",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_one_line_before_anything_runs(
    words: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("none")
    done = ctrbench("tune", *words.split(), cwd=folder)
    assert MISTAKES[words] in done.stderr and done.returncode == 1
    assert done.stderr.startswith("ctrbench: ") and done.stderr.count("\n") == 1
    assert not list(folder.iterdir())
