"""Experiments: their models and axes, their budgets, and what one's own may say."""

from pathlib import Path

import pytest
from made import texts
from support import HISTORY, ctrbench

from ctrbench.command.experiments import find_experiment, sweep_overrides
from ctrbench.config.compose import compose, to_settings
from ctrbench.errors import UserError
from ctrbench.models.registry import having, names, properties_of
from ctrbench.report.published.printed import published
from ctrbench.runs.plan import RunPlan
from ctrbench.sweep.jobs import plan_sweep, sweep_jobs

TINY = ["data.rows=2000", "data.vocabulary=30", "model.hidden=[8]", "trainer.epochs=1"]


def words_of(name: str, *words: str) -> list[dict[str, str]]:
    """The keys of each job of an experiment."""
    experiment = find_experiment(name, list(words))
    made = sweep_jobs(sweep_overrides(name, experiment, list(words)))
    return [dict(word.split("=", 1) for word in job.overrides) for job in made]


@pytest.mark.parametrize("number", [7, 8, 9, 10, 11])
def test_the_axes_are_the_papers(number: int) -> None:
    rows = published("deepfm_figures")
    rows = rows[rows["place"] == f"Figure {number}"]
    (key,) = rows["key"].unique()
    numeric = number in (8, 9, 10)
    as_value = float if numeric else str
    theirs = {(model, as_value(x)) for model, x in zip(rows["model"], rows["value"], strict=True)}
    ours = {(job["model"], as_value(job[key])) for job in words_of(f"figure{number}")}
    more = {("ipnn", x) for _, x in theirs} if number == 11 else set()  # not drawn there
    assert ours == theirs | more


def test_the_shapes_of_figure_11() -> None:
    made = words_of("figure11", "model=deepfm", "seed=0")
    found = [to_settings(compose([f"{k}={v}" for k, v in job.items()])).model for job in made]
    widths = [[200] * 3, [100, 200, 300], [300, 200, 100], [150, 300, 150]]
    assert [model.widths for model in found] == widths  # type: ignore[attr-defined]


def test_models_come_from_the_registry() -> None:
    assert list(dict.fromkeys(job["model"] for job in words_of("table2"))) == having(["cited"])
    past = [name for name in names() if properties_of(name).sequential]
    static = [name for name in names() if name not in past]
    assert list(dict.fromkeys(job["model"] for job in words_of("orders"))) == static and past
    assert {job["model"] for job in words_of("orders", HISTORY)} == set(names())
    given = words_of("figure8", "model=fnn,wide_deep", "seed=5")
    assert {job["model"] for job in given} == {"fnn", "wide_deep"}
    assert {job["seed"] for job in given} == {"5"} and len(given) == 12


@pytest.mark.parametrize(
    ("name", "word", "told"),
    [
        ("figure9", "model.total_neurons=50", "neurons: model.total_neurons gives the neurons of"),
        ("figure10", "model.hidden=[8]", "layers: model.hidden gives each layer's width; leave"),
        ("figure11", "model.neurons=50", r"leave one out \(model.total_neurons=null\)"),
    ],
)
def test_widths_that_would_hide_an_axis(name: str, word: str, told: str) -> None:
    def planned(*words: str) -> list[RunPlan]:
        given = ["model=deepfm", "seed=0", *words]
        return plan_sweep(sweep_overrides(name, find_experiment(name, given), given))

    with pytest.raises(UserError, match=told):
        planned(word)
    assert len({one.identity for one in planned("budget=small")}) == 4
    if name == "figure11":
        assert planned(word, "model.total_neurons=null")[0].settings.model.widths == [50] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["orders", "moods"])
def test_rows_of_other_effects_take_no_tuned_values(name: str) -> None:
    """Those of planted rows were found on others; one's own are taken where they are asked for."""
    for words, tuned in (([], False), (["budget=small"], False), (["tuned=planted/fnn"], True)):
        config = compose([f"experiment={name}", "model=fnn", *words])
        assert (config.get("tuned") is not None) == tuned
        assert (config.trainer.batch_size == 512) == tuned
        assert tuned or config.pretraining.get("tuned") is None


def test_a_forced_word_takes_the_place_of_an_axis() -> None:
    (job,) = words_of("table2", "++seed=5", "model=lr")
    assert job["++seed"] == "5"


def test_budgets() -> None:
    whole, small, paper = (
        to_settings(compose(["model=fnn", *words]))
        for words in ([], ["budget=small"], ["budget=paper"])
    )
    assert small.data.rows < whole.data.rows  # type: ignore[attr-defined]
    assert small.model.widths < whole.model.widths == [400] * 3  # type: ignore[attr-defined]
    assert small.trainer.epochs < whole.trainer.epochs
    assert small.pretraining.trainer.epochs == small.trainer.epochs
    assert paper.model.dropout == 0.5 and paper.model.widths == [400] * 3  # type: ignore[attr-defined]
    assert paper.model.embedding_dim == 10 and paper.split.fractions == [0.81, 0.09, 0.1]  # type: ignore[attr-defined]
    own = to_settings(compose(["budget=small", "trainer.epochs=9", "model.neurons=7"]))
    assert (own.trainer.epochs, own.model.widths) == (9, [7] * 3)  # type: ignore[attr-defined]
    seeds = [
        {job["seed"] for job in words_of("table2", f"budget={name}")} for name in ("small", "paper")
    ]
    assert seeds == [set("012"), set("01234")]


def test_tuned_values_and_budgets(tmp_path: Path) -> None:
    """A small budget goes before them, the paper's leaves them out."""
    (tmp_path / "tuned").mkdir()
    text = "# @package _global_\ntrainer: {epochs: 50}\nmodel: {dropout: 0.1}\n"
    (tmp_path / "tuned" / "mine.yaml").write_text(text)
    for budget, told in {"none": "50 0.1", "small": "8 0.1", "paper": "100 0.5"}.items():
        words = ["-cd", str(tmp_path), f"budget={budget}"]
        if budget != "paper":  # a person's own word would go before it
            words.append("tuned=mine")
        shown = [
            ctrbench("train", "--cfg", "job", "-p", key, *words).stdout.strip()
            for key in ("trainer.epochs", "model.dropout")
        ]
        assert " ".join(shown) == told


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("moods", ["data=criteo"], "moods takes data=planted, whose rows it is about"),
        ("orders", ["data=planted,criteo"], "orders takes data=planted, whose rows it is"),
        (
            "figure7",
            ["model=deepfm,lr"],
            "model=lr: figure7 sweeps model.activation, which lr does",
        ),
        ("figure8", ["model=fm", "model.dropout=.1"], "model.dropout: no such key"),
    ],
)
def test_rows_and_models_that_it_is_not_about(name: str, words: list[str], told: str) -> None:
    done = ctrbench("reproduce", name, *words)
    assert done.returncode == 1 and done.stderr.startswith(f"ctrbench: {told}")


def test_rows_of_ones_own_by_their_layout(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny.yaml").write_text("defaults: [planted]\nname: tiny\nrows: 600\n")
    words = ["-cd", str(tmp_path), "data=tiny", "model=lr", f"results={tmp_path}/out"]
    done = ctrbench("reproduce", "orders", "--dry-run", *words)
    assert done.stdout.splitlines()[-1].startswith("3 runs: 0 finished"), done.stderr


def test_rows_without_a_layout(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "plain.yaml").write_text("name: x\n")
    words = ["-cd", str(tmp_path), "data=plain"]
    for verb, own, told in (
        (["reproduce", "orders"], [], "orders takes data=planted"),
        (["train"], ["data.rows=5"], "data.rows: these rows have no layout; begin their YAML file"),
    ):
        done = ctrbench(*verb, *words, *own)
        assert done.returncode == 1 and done.stderr.startswith(f"ctrbench: {told}")


def test_what_a_model_has_is_looked_up_without_tuned_values(tmp_path: Path) -> None:
    """Those of one's own may be of another optimizer than a model's own."""
    (tmp_path / "tuned/planted").mkdir(parents=True)
    text = "# @package _global_\noptimizer: {name: ftrl, l1: 0.001}\n"
    (tmp_path / "tuned/planted/dnn.yaml").write_text(text)
    words = ["figure8", "model=dnn", "optimizer=ftrl", "seed=0", "--dry-run", "-cd", str(tmp_path)]
    done = ctrbench("reproduce", *words, f"results={tmp_path}/out")
    assert done.stdout.splitlines()[-1].startswith("6 runs: 0 finished"), done.stderr


def test_a_list_tells_what_each_needs() -> None:
    done = ctrbench("reproduce", "--list", "data=criteo", "model.hidden=[8]")
    rows = {line.split()[0]: line.split(maxsplit=3) for line in done.stdout.splitlines() if line}
    assert rows["moods"][1:] == rows["orders"][1:] == ["-", "-", "needs data=planted"]
    assert rows["bars"][3].startswith("needs data=avazu_x1, avazu_x4,")
    assert "model.neurons: model.hidden gives each layer's width" in rows["figure9"][3]
    assert rows["figure8"][1:3] == ["126", "?"]


def test_a_figure_from_its_runs_to_its_drawing(tmp_path: Path) -> None:
    words = ["model=deepfm", "seed=0", "model.dropout=0,0.5", "threads=1", "budget=small"]
    done = ctrbench("reproduce", "figure8", *words, *TINY, f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# Figure 8 of the DeepFM paper: dropout (budget=small)")
    drawn = texts(
        (tmp_path / "report/figure8-planted/figures/ablation-model.dropout.svg").read_text()
    )
    assert "keep probability (1 - dropout)" in drawn and "paper" in drawn


def test_a_table_without_runs(tmp_path: Path) -> None:
    done = ctrbench("reproduce", "table1", "model=fnn,deepfm", f"results={tmp_path}")
    assert done.returncode == 0, done.stderr
    marks = [
        [cell.strip() for cell in line.split("|")[4:-1]] for line in done.stdout.splitlines()[8:10]
    ]
    assert marks == [["no", "yes", "no", "yes"], ["yes"] * 4]
    made = {path.name for path in (tmp_path / "report" / "table1").glob("[!.]*")}
    assert made == {"table.md", "table.csv", "table.tex", "index.html"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "measure: properties, data: plantd",
            "data=plantd: not known; did you mean planted?",
        ),
        ("recipes: brs", "experiment/mine.yaml: recipes=brs: not known; did you mean bars?"),
        ("titel: x", "experiment/mine.yaml: titel: no such key; did you mean title?"),
        ("models: [compared, model.droput]", "model.droput: no property of models; did you mean"),
        ("measure: step_time", "experiment/mine.yaml: measure=step_time: not known"),
        ("sweep: 3", "experiment/mine.yaml: sweep"),
        ("sweep: {seed: '${budget.sed}'}", "experiment/mine.yaml: "),
        ("title: nothing else", "experiment/mine.yaml: names no runs"),
        ("models: [fm, deepfm]", "sweep: {model: [fm, deepfm]}"),
        ("sweep: {sed: [0, 1]}", "sed: no such key; did you mean seed?"),
    ],
)
def test_mistakes_in_ones_own(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    path = tmp_path / "experiment" / "mine.yaml"
    path.write_text(f"# @package _global_\nexperiment: {{{text}}}\n")
    done = ctrbench("reproduce", "mine", "-cd", str(tmp_path), f"results={tmp_path}/out")
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1
