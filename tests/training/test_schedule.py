"""Learning rates against torch's own schedulers, and a run on a plateau against a loop by hand."""

import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from support import Compose
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)
from trainers import CPU, SCHEMA, Steps, groups, part, trainer

from ctrbench.data.batches import Batches
from ctrbench.errors import UserError
from ctrbench.models import registry
from ctrbench.models.settings.lr import LRSettings
from ctrbench.training.schedule import (
    CosineSettings,
    DecayingSettings,
    LinearDecaySettings,
    PlateauSettings,
    evaluations_without_improvement,
)
from ctrbench.training.validation import auc

STEPS, BASE, FLOOR = 40, 0.03, 0.1
MIN_DELTA = 0.003  # less than what some evaluations bring


def of_torch(scheduler: Any, optimizer: SGD, steps: int = STEPS) -> list[float]:
    """The learning rate of each step."""
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own chaining warns
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


@pytest.mark.parametrize("warmup", [0, 1, 8, 0.2])
@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_decays(name: str, warmup: float) -> None:
    """With a rise over the first steps, given as steps or as a share of them."""
    rising = 8 if warmup == 0.2 else int(warmup)
    optimizer = SGD([nn.Parameter(torch.zeros(1))], BASE)
    left = STEPS - rising
    own: DecayingSettings = CosineSettings("cosine", warmup, FLOOR)
    decay: LRScheduler = CosineAnnealingLR(optimizer, left, BASE * FLOOR)
    if name == "linear":
        own = LinearDecaySettings("linear", warmup, FLOOR)
        decay = LinearLR(optimizer, 1.0, FLOOR, left)
    if rising > 1:
        rise = LinearLR(optimizer, 1 / rising, 1.0, rising - 1)
        decay = SequentialLR(optimizer, [rise, decay], [rising])
    elif rising:  # its one step has the whole rate
        decay = SequentialLR(optimizer, [LinearLR(optimizer, 1.0), decay], [1])
    expected = of_torch(decay, optimizer)
    assert [own.rate(BASE, t, STEPS, 0) for t in range(STEPS)] == pytest.approx(expected, rel=1e-9)


FIGURES = [0.7, 0.71, 0.705, 0.71, 0.7100005, 0.72, 0.6, 0.7, 0.7, 0.7, 0.73]


def test_plateau() -> None:
    """A change of less than 1e-6 is no improvement; down to the least learning rate."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], BASE)
    theirs = ReduceLROnPlateau(
        optimizer, "max", 0.1, 0, threshold=1e-6, threshold_mode="abs", min_lr=1e-5, eps=0
    )
    own = PlateauSettings("plateau", 0.1, 1e-6, 1e-5)
    for done, figure in enumerate(FIGURES, 1):
        theirs.step(figure)
        without = evaluations_without_improvement(FIGURES[:done], own.min_delta)
        expected = optimizer.param_groups[0]["lr"]
        assert own.rate(BASE, 7, STEPS, without) == pytest.approx(expected, rel=1e-12)
    assert expected == 1e-5


def test_a_run_on_a_plateau(tmp_path: Path) -> None:
    """The trainer's best weights, patience and history against a loop with torch's scheduler."""
    own = trainer(tmp_path / "c.pt")
    schedule = PlateauSettings("plateau", 0.1, MIN_DELTA, 1e-6)
    settings = replace(own.settings, monitor="auc", patience=3, epochs=30, eval_every=None)
    ours = trainer(tmp_path / "c.pt", settings=replace(settings, schedule=schedule))
    progress = ours.fit(Steps(), lambda history: None)
    torch.manual_seed(0)
    model = registry.build(SCHEMA, LRSettings("lr"))
    optimizer = torch.optim.Adam(groups(model))
    scheduler = ReduceLROnPlateau(
        optimizer, "max", 0.1, 0, threshold=MIN_DELTA, threshold_mode="abs", min_lr=1e-6, eps=0
    )
    train, valid = Batches(part(640), 64, CPU), Batches(part(200), 64, CPU)
    (rows,) = valid.pieces(200)
    best, without, aucs, weights = 0.0, 0, [], {}
    while without < 3:
        for ids, values, labels in train.epoch(0, len(aucs)):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(ids, values), labels).backward()
            optimizer.step()
        aucs.append(auc(model(*rows).detach(), valid.labels_N))
        scheduler.step(aucs[-1])
        without += 1
        if aucs[-1] > best + MIN_DELTA:
            best, without = aucs[-1], 0
            weights = {name: w.clone() for name, w in model.state_dict().items()}
    assert any(0 < b - a < MIN_DELTA for a, b in pairwise(aucs))
    assert 4 < len(aucs) < 30 and optimizer.param_groups[0]["lr"] < 0.1
    assert [line["valid_auc"] for line in progress.history] == pytest.approx(aucs, abs=1e-9)
    for name, weight in progress.best_weights.items():
        torch.testing.assert_close(weight, weights[name])


REFUSED = {
    "schedule=plateau trainer.schedule.factor=1": "must be less than 1",
    "schedule=plateau trainer.schedule.min_lr=.03": "min_lr=0.03: more than optimizer.deep.lr=0.02",
    "schedule=cosine trainer.schedule.warmup=2.5": "is no number of steps",
    "schedule=linear trainer.schedule.floor=1": "must be less than 1",
    "schedule=linear trainer.schedule.factor=.5": "no such key; did you mean floor",
    "trainer.schedule=linear": "is chosen by schedule=NAME",
    "trainer.schedule.name=linear": "it is chosen by schedule=NAME",
    "trainer.clip_norm=0": "must be more than 0",
    "trainer.ema=1": "must be less than 1",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words: str, settings: Compose) -> None:
    with pytest.raises(UserError, match=REFUSED[words]):
        settings("model=wide_deep", *words.split())


def test_a_rise_that_takes_the_whole_run_is_refused(tmp_path: Path) -> None:
    own = trainer(tmp_path / "c.pt").settings
    for steps in (30, 99):
        schedule = CosineSettings("cosine", steps, 0.0)
        with pytest.raises(UserError, match="takes all 30 steps of the run"):
            trainer(tmp_path / "c.pt", settings=replace(own, schedule=schedule))
