"""The two stages of FNN: what is handed over, found again and refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import Compose, run, run_directory, small

from ctrbench.config.compose import compose
from ctrbench.errors import UserError
from ctrbench.runs import train as training
from ctrbench.runs.frame import read_run
from ctrbench.runs.plan import RunPlan

STAGE = ["trainer.epochs=2", "trainer.batch_size=512"]
# FNN without words of a first stage.
ALONE = [word for word in small("fnn") if not word.startswith("pretraining.")]


def started(monkeypatch: pytest.MonkeyPatch, *runs: Any) -> list[dict[str, torch.Tensor]]:
    """The weights that each run hands to its trainer."""
    seen: list[dict[str, torch.Tensor]] = []
    trainer = training.Trainer

    def watched(model: torch.nn.Module, *rest: Any, **named: Any) -> Any:
        seen.append({name: w.detach().clone() for name, w in model.state_dict().items()})
        return trainer(model, *rest, **named)

    monkeypatch.setattr(training, "Trainer", watched)
    for own in runs:
        run(own)
    return seen


def test_starts_from_the_trained_fm(settings: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """w, v and bias are those of the run that `train model=fm` makes, which is not made twice."""
    fm, fnn = settings("model=fm", *STAGE), settings(*small("fnn"))
    _, start = started(monkeypatch, fm, fnn)
    trained = load_file(run_directory(fm).weights)
    assert set(trained) == {"embedding.weight", "bias"}
    for name, weight in trained.items():
        assert torch.equal(start[name], weight)
    result, first = run(fnn), run(fm)
    assert result["seconds"]["pretrain"] == first["seconds"]["train"] > 0
    assert result["pretrain_seconds_per_epoch"] == first["seconds_per_epoch"]
    assert first["pretrain_seconds_per_epoch"] is None
    final = load_file(run_directory(fnn).weights)
    assert not torch.equal(final["bias"], trained["bias"])
    moved = final["embedding.weight"] != trained["embedding.weight"]
    assert moved[:, 0].any() and moved[:, 1:].any(dim=0).all()


def test_the_stage_follows_the_batch_size_of_the_run(shared: Compose) -> None:
    """Unless it is set: the times of both are those of like steps."""
    own = shared("model=fnn", "trainer.batch_size=300").pretraining
    assert own.trainer.batch_size == 300
    own = shared("model=fnn", "pretraining.trainer.batch_size=700").pretraining
    assert own.trainer.batch_size == 700
    words = ["data=criteo_sample", "data.path=x"]
    tuned = compose(["model=fnn", *words, "trainer.batch_size=300"])
    fm = compose(["model=fm", *words])
    assert tuned.trainer.batch_size == 300
    assert tuned.pretraining.trainer.batch_size == fm.trainer.batch_size != 300


def test_a_start_is_known_by_its_run_and_not_by_its_folder(
    settings: Compose, tmp_path: Path
) -> None:
    """Two FM runs in folders of one name give two runs of FNN; one FM in two places gives one."""
    identities = []
    for place, seed in {"a": 0, "b": 1, "c": 1}.items():
        fm = settings("model=fm", *STAGE, f"seed={seed}")
        run(fm)
        folder = tmp_path / place / "fm"
        shutil.copytree(run_directory(fm).path, folder)
        fnn = settings(*ALONE, f"pretraining.run={folder}")
        identities.append(run_directory(fnn).path)
    first, second, again = identities
    assert first != second == again


def test_runs_of_several_seeds_from_one_start_are_one_setting(settings: Compose) -> None:
    fm = settings("model=fm", *STAGE)
    run(fm)
    start = f"pretraining.run={run_directory(fm).path}"
    groups, seeds = set(), (0, 1)
    for seed in seeds:
        run(own := settings(*ALONE, start, f"seed={seed}"))
        groups.add(read_run(run_directory(own).path)["group"])
    assert len(groups) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("pretraining.optimizer.lr=1e30", r"lower pretraining\.optimizer\.lr$"),
        (
            "schedule@pretraining.trainer.schedule=plateau pretraining.trainer.schedule.min_lr=1",
            r"pretraining\.trainer\.schedule\.min_lr=1: more than pretraining\.optimizer\.lr=",
        ),
    ],
)
def test_keys_of_the_first_stage_are_named_as_such(
    words: str, told: str, settings: Compose
) -> None:
    with pytest.raises(UserError, match=told):
        run(settings(*small("fnn"), *words.split()))


def test_words_that_no_stage_reads(settings: Compose) -> None:
    rate = "pretraining.optimizer.lr=.5"
    with pytest.raises(UserError, match=r"has no pre-training with model.pretrain=false"):
        settings(*ALONE, "model.pretrain=false", rate)
    with pytest.raises(UserError, match=r"pretraining.optimizer.lr: pretraining.run names a tra"):
        settings(*ALONE, "pretraining.run=x", rate)
    with pytest.raises(UserError, match=r"model.init_std: pre-training gives the embeddings"):
        settings(*ALONE, "model.init_std=0.1")
    settings(*ALONE, "model.init_std=0.1", "model.pretrain=false")


def test_without_pretraining(settings: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(*ALONE, "model.pretrain=false")
    started(monkeypatch, own)
    assert run_directory(own).path != run_directory(settings(*small("fnn"))).path
    assert run(own)["seconds"]["pretrain"] == 0
    assert not run_directory(settings("model=fm", *STAGE)).path.exists()


def test_a_run_named_by_the_user(settings: Compose, tmp_path: Any) -> None:
    fm = settings("model=fm", *STAGE, f"results={tmp_path}/elsewhere")
    run(fm)
    folder = run_directory(fm).path
    named = settings(*ALONE, f"pretraining.run={folder}")
    found = settings(*small("fnn"))
    assert run(named)["metrics"] == run(found)["metrics"]


def test_what_does_not_fit(settings: Compose, tmp_path: Any) -> None:
    fm = settings("model=fm", *STAGE)
    run(fm)
    run(settings("model=lr"))
    name = f"pretraining.run={run_directory(fm).path}"
    with pytest.raises(UserError, match=r"was not trained on these rows; leave"):
        run(settings(*ALONE, name, "data.seed=1"))
    with pytest.raises(UserError, match=r"was not trained on these rows; leave"):
        run(settings(*ALONE, name, "data.min_count=2"))
    with pytest.raises(UserError, match=r"does not fit this model; check model.embedding_dim"):
        run(settings(*ALONE, name, "model.embedding_dim=4"))
    name = f"pretraining.run={run_directory(settings('model=lr')).path}"
    with pytest.raises(UserError, match=r"not a finished run of model=fm"):
        run(settings(*ALONE, name))


def test_what_has_no_room_is_refused_before_the_first_stage(settings: Compose) -> None:
    words = ["schedule=cosine", "trainer.schedule.warmup=1000000"]
    own = settings(*small("fnn"), *words)
    with pytest.raises(UserError, match=r"warmup=1e\+06: takes all [\d,]+ steps of the run"):
        run(own)
    stage = RunPlan(own).pretraining
    assert stage is not None and not stage.directory.path.exists()


def test_weights_that_were_exchanged_are_no_start(settings: Compose, tmp_path: Path) -> None:
    fm = settings("model=fm", *STAGE)
    run(fm)
    folder = tmp_path / "own"
    shutil.copytree(run_directory(fm).path, folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(UserError, match="not the weights that were trained here"):
        run(settings(*ALONE, f"pretraining.run={folder}"))
