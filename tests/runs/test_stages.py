"""The two stages of FNN: what is handed over, found again and refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import Compose, run, run_directory, small

from ctrbench.command.composition.compose import compose
from ctrbench.errors import UserError
from ctrbench.runs import run as running
from ctrbench.runs.planned import Planned

STAGE = ["trainer.epochs=2", "trainer.batch_size=512"]


def started(monkeypatch: pytest.MonkeyPatch, *runs: Any) -> list[dict[str, torch.Tensor]]:
    """The weights that each run hands to its trainer."""
    seen: list[dict[str, torch.Tensor]] = []
    trainer = running.Trainer

    def watched(model: torch.nn.Module, *rest: Any, **named: Any) -> Any:
        seen.append({name: w.detach().clone() for name, w in model.state_dict().items()})
        return trainer(model, *rest, **named)

    monkeypatch.setattr(running, "Trainer", watched)
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
        fnn = settings(*small("fnn"), f"pretraining.run={folder}")
        identities.append(run_directory(fnn).path)
    first, second, again = identities
    assert first != second == again


def test_without_pretraining(settings: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings(*small("fnn"), "model.pretrain=false")
    other = settings(*small("fnn"), "model.pretrain=false", "pretraining.optimizer.lr=.5")
    started(monkeypatch, own)
    assert run_directory(own).path == run_directory(other).path
    assert run_directory(own).path != run_directory(settings(*small("fnn"))).path
    assert run(own)["seconds"]["pretrain"] == 0
    assert not run_directory(settings("model=fm", *STAGE)).path.exists()


def test_a_run_named_by_the_user(settings: Compose, tmp_path: Any) -> None:
    fm = settings("model=fm", *STAGE, f"results={tmp_path}/elsewhere")
    run(fm)
    folder = run_directory(fm).path
    named = settings(*small("fnn"), f"pretraining.run={folder}")
    found = settings(*small("fnn"))
    assert run(named)["metrics"] == run(found)["metrics"]


def test_what_does_not_fit(settings: Compose, tmp_path: Any) -> None:
    fm = settings("model=fm", *STAGE)
    run(fm)
    run(settings("model=lr"))
    name = f"pretraining.run={run_directory(fm).path}"
    with pytest.raises(UserError, match=r"was not trained on these rows; leave"):
        run(settings(*small("fnn"), name, "data.seed=1"))
    with pytest.raises(UserError, match=r"was not trained on these rows; leave"):
        run(settings(*small("fnn"), name, "data.min_count=2"))
    with pytest.raises(UserError, match=r"does not fit this model; check model.embedding_dim"):
        run(settings(*small("fnn"), name, "model.embedding_dim=4"))
    name = f"pretraining.run={run_directory(settings('model=lr')).path}"
    with pytest.raises(UserError, match=r"not a finished run of model=fm"):
        run(settings(*small("fnn"), name))


def test_what_has_no_room_is_refused_before_the_first_stage(settings: Compose) -> None:
    words = ["schedule=cosine", "trainer.schedule.warmup=1000000"]
    own = settings(*small("fnn"), *words)
    with pytest.raises(UserError, match=r"warmup=1e\+06: takes all [\d,]+ steps of the run"):
        run(own)
    stage = Planned(own).stage
    assert stage is not None and not stage.directory.path.exists()


def test_weights_that_were_exchanged_are_no_start(settings: Compose, tmp_path: Path) -> None:
    fm = settings("model=fm", *STAGE)
    run(fm)
    folder = tmp_path / "own"
    shutil.copytree(run_directory(fm).path, folder)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(UserError, match="not the weights that were trained here"):
        run(settings(*small("fnn"), f"pretraining.run={folder}"))
