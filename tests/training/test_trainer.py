"""Checkpoints: how often they are written, and that a signal never comes between."""

import copy
import signal
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from stand_in import StandIn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_
from trainers import ALL, PLAIN, Steps, groups, trainer

from ctrbench.training.checkpoint import Interrupts, Pace
from ctrbench.training.schedule import LinearDecaySettings, PlateauSettings
from ctrbench.training.settings import TrainerSettings
from ctrbench.training.trainer import MakeLoop


def without_times(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k != "train_seconds"} for line in history]


@pytest.fixture
def as_before() -> Iterator[None]:
    """The handlers of signals are restored, whatever happens."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    now = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert now == before


LOOPS: dict[str, tuple[MakeLoop | None, str, TrainerSettings]] = {
    "plain": (None, "device", PLAIN),
    "captured": (StandIn().captured, "device", PLAIN),
    "captured_host": (StandIn().captured, "host", PLAIN),
    "all": (None, "device", ALL),
    "captured_all": (StandIn().captured, "device", ALL),
    "captured_plateau": (
        StandIn().captured,
        "device",
        replace(ALL, schedule=PlateauSettings("plateau", 0.5, 0.003, 1e-4)),
    ),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("at", [1, 3, 4, 10, 16, 29, 30])
@pytest.mark.usefixtures("as_before")
def test_stopped_anywhere_it_goes_on_to_the_same(at: int, loop: str, tmp_path: Path) -> None:
    """At a step between two evaluations, at that before one, at the end of an epoch or of all; and
    whether steps are replayed or not, also with all that changes over the steps."""
    whole = trainer(tmp_path / "whole.pt", settings=LOOPS[loop][2])
    expected = whole.fit(Steps(), lambda history: None)
    stopped = trainer(tmp_path / "parts.pt", *LOOPS[loop])
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(Steps(at), lambda history: None)
    resumed = trainer(tmp_path / "parts.pt", *LOOPS[loop])
    assert resumed.progress.epoch * 10 + resumed.progress.step == at
    steps = Steps()
    progress = resumed.fit(steps, lambda history: None)
    assert steps.done == 30 - at
    assert without_times(progress.history) == without_times(expected.history)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name])


def test_rates_of_all_groups_and_clipping_are_those_of_torch(tmp_path: Path) -> None:
    """Two epochs against a loop by hand, each learning rate falling in a straight line."""
    schedule = LinearDecaySettings("linear", 0, 0.0)
    settings = replace(PLAIN, epochs=2, clip_norm=0.02, schedule=schedule)
    own = trainer(tmp_path / "checkpoint.pt", settings=settings)
    model = copy.deepcopy(own.model)
    optimizer = torch.optim.Adam(groups(model))
    last: dict[str, torch.Tensor] = {}
    own.fit(Steps(), lambda history: last.update(copy.deepcopy(own.model.state_dict())))
    batches = [batch for epoch in range(2) for batch in own.train.epoch(0, epoch, 0)]
    for step, (ids, values, labels) in enumerate(batches):
        for group, base in zip(optimizer.param_groups, (0.1, 0.03), strict=True):
            group["lr"] = base * (1 - step / len(batches))
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(model(ids, values), labels).backward()
        assert clip_grad_norm_(model.parameters(), 0.02) > 0.02
        optimizer.step()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(last[name], weight, rtol=1e-5, atol=1e-6)


def test_the_best_weights_have_one_place(tmp_path: Path) -> None:
    """Each better ones are copied to where those before were."""
    own, places = trainer(tmp_path / "checkpoint.pt"), []

    def record(history: list[dict[str, Any]]) -> None:
        if own.progress.best == len(history) - 1:
            weights = own.model.state_dict()
            best = own.progress.best_weights
            assert all(torch.equal(best[name], weight) for name, weight in weights.items())
            places.append([weight.data_ptr() for weight in best.values()])

    own.fit(Steps(), record)
    assert len(places) > 2 and all(place == places[0] for place in places)


@pytest.mark.parametrize(
    ("patience", "min_epochs", "evaluations"), [(2, 0, 3), (2, 3, 9), (20, 3, 21)]
)
def test_patience_ends_a_run_when_its_fewest_epochs_are_done(
    patience: int, min_epochs: int, evaluations: int, tmp_path: Path
) -> None:
    """Three evaluations an epoch, of which the first is the best: a loss as large as can be."""
    settings = replace(
        PLAIN, epochs=9, patience=patience, min_epochs=min_epochs, monitor={"logloss": 1.0}
    )
    own = trainer(tmp_path / "checkpoint.pt", settings=settings)
    progress = own.fit(Steps(), lambda history: None)
    assert progress.best == 0 and own.ended_by == "patience"
    assert len(progress.history) == evaluations


@pytest.mark.usefixtures("as_before")
def test_what_records_is_told_of_evaluations_alone(tmp_path: Path) -> None:
    """Not of a stop between two of them, at the sixth step."""
    told: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "c.pt").fit(Steps(6), lambda history: told.append(len(history)))
    assert told == [1]


@pytest.mark.parametrize(
    "error", [PermissionError("denied"), OSError("input/output"), torch.OutOfMemoryError("full")]
)
def test_a_checkpoint_that_cannot_be_read_now_is_not_called_wrong(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(tmp_path / "c.pt")._save()

    def load(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(type(error), match=str(error)):
        trainer(tmp_path / "c.pt")


@pytest.mark.usefixtures("as_before")
def test_a_handler_that_was_there_is_called_after_the_checkpoint(tmp_path: Path) -> None:
    """One that returns (of a scheduler, say) lets the run go on."""
    path, seen = tmp_path / "checkpoint.pt", []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(path.exists()))
    expected = trainer(tmp_path / "whole.pt").fit(Steps(), lambda history: None)
    progress = trainer(path).fit(Steps(3, signal.SIGTERM), lambda history: None)
    signal.signal(signal.SIGTERM, before)
    assert seen == [True]
    assert without_times(progress.history) == without_times(expected.history)


@pytest.mark.usefixtures("as_before")
def test_a_second_signal_acts_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.held == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
        pytest.fail("not reached")


@pytest.mark.usefixtures("as_before")
def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.held is None
    signal.signal(signal.SIGINT, before)


def test_checkpoints_take_two_hundredths_of_the_time() -> None:
    """By a clock that moves when told: one is due at first, then fifty times its length on."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    taken = []
    for second in range(1, 1000):
        now[0] = max(now[0], float(second))
        if pace.due:
            taken.append(second)
            with pace.taken():
                now[0] += 2.0
    assert taken[0] == 1 and taken[1] == 200
    assert all(b - a in (99, 100, 101) for a, b in pairwise(taken[1:]))
    assert 2.0 * len(taken) <= 0.02 * 1000
