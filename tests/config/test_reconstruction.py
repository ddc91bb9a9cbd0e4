"""The command of a run makes that run again."""

import shlex
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support import ctrbench, run, run_directory, settings_in

from ctrbench.config.compose import compose, to_settings
from ctrbench.config.reconstruction import reconstruct_overrides
from ctrbench.errors import UserError
from ctrbench.runs.plan import RunPlan
from ctrbench.sweep.jobs import plan_run
from ctrbench.training.settings import TunedSettings

RUNS = {
    "lr": ["model=lr", "seed=3"],
    "swept": ["model=deepfm", "model.dropout=0.25", "model.hidden=[8,4]", "trainer.epochs=1"],
    "narrow": ["budget=small", "model.hidden=[8]"],
    "shaped": ["budget=small", "model.total_neurons=60", "model.shape=diamond"],
    "adagrad": ["model=fm", "optimizer=adagrad", "optimizer.lr=0.03", "tuned=none", "split=order"],
    "joint": ["model=wide_deep", "model.crosses=[[C5,C6]]", "optimizer.wide.l1=0.5", "tuned=none"],
    "staged": ["model=fnn", "pretraining.trainer.epochs=3", "model.embedding_dim=4"],
    "scheduled": ["model=fnn", "schedule=cosine", "schedule@pretraining.trainer.schedule=plateau"],
    "monitored": ["model=fm", "trainer.monitor={auc:2,logloss:-1}", "schedule=plateau"],
    "unstaged": ["model=fnn", "model.pretrain=false"],
    "spread": ["model=fnn", "pretraining.model.init_std=0.03"],
}


@pytest.mark.parametrize("name", RUNS)
def test_the_same_identity(name: str, tmp_path: Path) -> None:
    """By its config alone, of a command with other words."""
    plan = RunPlan(settings_in(tmp_path)(*RUNS[name]))
    classes = {key: getattr(plan.settings, key).registered for key in ("model", "data")}
    words = reconstruct_overrides(asdict(plan.settings) | {"classes": classes})
    assert words is not None and words[1] == "data=planted"
    assert plan_run(words).identity == plan.identity
    assert not any(word.startswith(("results=", "classes")) for word in words)


def test_only_what_is_not_as_by_default() -> None:
    config = asdict(plan_run(["model=fm", "seed=1"]).settings)
    assert reconstruct_overrides(config | {"classes": {"data": "planted"}}) == [
        "model=fm",
        "data=planted",
        "seed=1",
    ]


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["trainer.monitor=auc", "seed=1"],
        ["schedule=constant", "optimizer=adagrad"],
        ["data=planted", "data.numeric=log_squared"],
    ],
)
def test_a_recipe_is_one_word(more: list[str]) -> None:
    """What was chosen in place of its own follows it."""
    settings = to_settings(compose(["recipe=bars/criteo_x4/lr", *more]))
    classes = {key: getattr(settings, key).registered for key in ("model", "data")}
    words = reconstruct_overrides(asdict(settings) | {"classes": classes})
    assert words is not None and words[0] == "recipe=bars/criteo_x4/lr"
    assert to_settings(compose(words)) == settings
    assert {*more} <= {*words} | {"data.numeric=log_squared"} and (more or len(words) == 1)


def test_names_and_files_that_need_quotes(tmp_path: Path) -> None:
    """Rows of one's own under a name of their own, as a shell takes them; a run that was made."""
    path = tmp_path / "a=b, c.csv"
    path.write_text("y,a,b\n" + "".join(f"{i % 3 == 0:d},c{i % 5},d{i % 4}\n" for i in range(200)))
    words = ["data=table", "data.label=y", "data.name=mine", "data.min_count=1"]
    own = settings_in(tmp_path)("model=lr", *words)
    own = replace(own, data=replace(own.data, path=str(path)))
    run(own)
    directory = run_directory(own)
    again = reconstruct_overrides(directory.settings())
    assert again is not None and {"data=table", "data.name=mine"} <= set(again)
    assert shlex.split(shlex.join(again)) == again
    done = ctrbench("train", *again, f"results={tmp_path}")
    assert done.returncode == 0 and "already finished" in done.stderr, done.stderr


@pytest.mark.parametrize("more", [["model.embedding_dim=4"], ["budget=small"]])
def test_a_named_first_stage_is_told_alone(more: list[str], tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    small = [*more, "model.hidden=[8]"] if "budget=small" in more else more
    fm = settings("model=fm", "trainer.epochs=1", *more)
    run(fm)
    own = settings("model=fnn", *small, f"pretraining.run={run_directory(fm).path}")
    classes = {key: getattr(own, key).registered for key in ("model", "data")}
    again = reconstruct_overrides(asdict(own) | {"classes": classes})
    assert again is not None and plan_run(again).identity == RunPlan(own).identity
    assert [word.partition("=")[0] for word in again if "pretraining" in word] == [
        "pretraining.run"
    ]


@pytest.mark.parametrize("name", ["fm", "fnn"])
def test_tuned_values_are_told_as_they_are_or_by_none(name: str, tmp_path: Path) -> None:
    """Those of one's own, which no YAML file of ours has; and that a run took none of ours."""
    tuned = TunedSettings(trials=3, search={"optimizer.lr": "tag(log,interval(1e-4,1e-1))"})
    for words in ([], ["tuned=none", "tuned@pretraining=none"]):
        own = settings_in(tmp_path)(f"model={name}", "optimizer.lr=0.123", *words)
        if not words:
            own = replace(own, tuned=tuned)
        classes = {key: getattr(own, key).registered for key in ("model", "data")}
        again = reconstruct_overrides(asdict(own) | {"classes": classes})
        assert again is not None and "tuned=none" in again
        assert ("tuned@pretraining=none" in again) == (name == "fnn")
        made = plan_run(again)
        assert made.identity == RunPlan(own).identity and made.settings.tuned is None


def test_a_model_that_there_is_not() -> None:
    config = asdict(plan_run(["model=fm"]).settings)
    config["model"]["name"] = "unknown"
    assert reconstruct_overrides(config | {"classes": {"data": "planted"}}) is None
    assert reconstruct_overrides({"model": {}}) is None


@pytest.mark.parametrize("key", ["hydra", "model", "trainer.schedule", "pretraining"])
def test_keys_that_are_no_options_are_named_and_in_no_command(key: str) -> None:
    """A config from elsewhere cannot put words into a command that is to be copied."""
    config = asdict(plan_run(["model=fnn"]).settings) | {"classes": {"data": "planted"}}
    inner = config
    for name in key.split("."):
        inner[name] = inner.get(name) or {}
        inner = inner[name]
    inner["$(reboot)"] = {"_target_": "os.system"}
    with pytest.raises(UserError, match="no options here: ") as error:
        reconstruct_overrides(config)
    assert key in str(error.value)
