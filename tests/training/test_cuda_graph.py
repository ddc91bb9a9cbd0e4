"""Replayed steps against plain ones, with what stands in for a CUDA graph."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_in import Recording, StandIn
from support import Compose, small
from torch import Tensor, nn

from ctrbench.bench.gpu import rows
from ctrbench.bench.synthetic import synthetic_schema
from ctrbench.data import batches as batches_module
from ctrbench.data.batches import Batches
from ctrbench.errors import UserError
from ctrbench.training.cuda_graph import WARM_UP, CapturedLoop, Work, make_training_loop
from ctrbench.training.learning_rates import LearningRates
from ctrbench.training.schedule import CosineSettings
from ctrbench.training.step import Step, TrainingLoop

CPU = torch.device("cpu")
MADE = synthetic_schema(1_000, crossed=True)
PART = rows.synthetic_rows(MADE, 640, 0, CPU)
OPTIMIZERS = {
    "adam": [],
    "adam_l2_all": ["optimizer.l2_embedding=.1", "optimizer.l2_network=.1"],
    "adam_l2_batch": ["optimizer.l2_embedding=.1", "optimizer.l2_rows=batch"],
    "adagrad": ["optimizer=adagrad"],
    "ftrl": ["optimizer=ftrl", "optimizer.l1=1e-4"],
    "joint": ["optimizer=joint"],
    "bf16": ["precision=bf16"],
    "batch_norm": ["model.batch_norm=true"],
    "clipped": ["optimizer=joint", "trainer.clip_norm=.01"],
    "clipped_l2": ["trainer.clip_norm=.01", "optimizer.l2_embedding=.1", "optimizer.l2_network=.1"],
    "averaged": ["model.batch_norm=true", "trainer.ema=.99"],
}


def bits(step: Step) -> list[Tensor]:
    """Weights, buffers, the optimizer's state and the average of the weights."""
    parts = getattr(step.optimizer, "parts", {"all": step.optimizer}).values()
    states = [value for part in parts for held in part.state.values() for value in held.values()]
    means = [] if step.average is None else [*step.average.means, step.average.power]
    kept = [*step.model.state_dict().values(), *states, *means]
    return [tensor.detach().clone() for tensor in kept]


def run(one: TrainingLoop, first_step: int = 0, epochs: int = 3) -> list[list[float]]:
    """The losses of all epochs."""
    losses = []
    for epoch in range(epochs):
        first = first_step if epoch == 0 else 0
        one.begin(5, epoch, first)
        for _ in range(first, one.batches.steps):
            one()
        losses.append(one.losses_T[first:].tolist())
    return losses


@pytest.mark.parametrize("words", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("place", ["device", "disk"])
def test_every_bit(words: list[str], place: str, settings: Compose) -> None:
    """Of weights, buffers, optimizer and losses, with dropout, over the ends of epochs."""
    own = settings(*small("wide_deep"), "tuned=none", "optimizer=adam", *words)
    found = []
    for captured in (False, True):
        step, feed = StandIn().step(own, MADE), Batches(PART, 64, CPU, place)
        one = CapturedLoop(step, feed, Recording()) if captured else TrainingLoop(step, feed)
        found.append((run(one, first_step=4), bits(step)))
        if captured:
            assert isinstance(one, CapturedLoop) and isinstance(one.graph, Recording)
            assert one.graph.replays == 26 - WARM_UP
            assert not any(group.get("capturable") for group in step.optimizer.param_groups)
    (plain, expected), (replayed, ours) = found
    assert plain == replayed and len(expected) == len(ours)
    assert all(map(torch.equal, expected, ours))


@pytest.mark.parametrize("place", ["device", "disk"])
def test_weighted_rows(place: str, settings: Compose) -> None:
    """Replayed as they are trained eagerly, with a last batch that is filled; weights that are all
    equal give the bits that no weights give, others do not."""
    words = ["optimizer=joint", "trainer.clip_norm=.1", "trainer.ema=.9"]
    own = settings(*small("wide_deep"), "tuned=none", *words)
    drawn_N = np.random.default_rng(0).integers(0, 4, 640).astype(np.float32)
    parts = {
        "plain": PART,
        "equal": replace(PART, weights_N=np.full(640, 0.3, np.float32)),
        "drawn": replace(PART, weights_N=drawn_N),
    }
    found = {}
    for name, part in parts.items():
        for captured in (False, True):
            step, feed = StandIn().step(own, MADE), Batches(part, 66, CPU, place)
            one = CapturedLoop(step, feed, Recording()) if captured else TrainingLoop(step, feed)
            found[name, captured] = (run(one), bits(step))
    for name, captured in found:
        losses, tensors = found[name, captured]
        expected_losses, expected = found["drawn" if name == "drawn" else "plain", False]
        assert losses == expected_losses and all(map(torch.equal, tensors, expected))
    assert found["drawn", False][0] != found["plain", False][0]


def test_the_order_over_windows_and_epochs(
    settings: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows that end amid a batch, an epoch that is left before its end, and one gone back to."""
    monkeypatch.setattr(batches_module, "WHOLE_ROWS", 32)
    monkeypatch.setattr(batches_module, "BLOCK_ROWS", 8)
    monkeypatch.setattr(batches_module, "WINDOW_BLOCKS", 9)
    feed = Batches(PART, 100, CPU)
    step = StandIn().step(settings(*small("wide_deep"), "tuned=none"), MADE)
    one = CapturedLoop(step, feed, Recording())
    for epoch, first, last in [(0, 0, 7), (1, 0, 7), (2, 3, 5), (3, 0, 2), (3, 1, 7), (4, 0, 7)]:
        one.begin(1, epoch, first)
        expected = feed.epoch(1, epoch, first)
        for step in range(first, last):
            one()
            number = torch.tensor([step])
            for ours, theirs in zip(one.inputs.batch(number), next(expected), strict=True):
                assert torch.equal(ours, theirs)
        assert one.step_1.item() == last == one.done


class Waiting(nn.Module):
    """A model that reads a value on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        return ids_BS[:, 0] * self.weight * float(self.weight.detach())


def test_a_step_that_waits_is_refused() -> None:
    model = Waiting()
    step = Step(model, torch.optim.SGD(model.parameters(), 0.01), "fp32")
    one = CapturedLoop(step, Batches(PART, 64, CPU), Recording())
    one.begin(0, 0)
    for _ in range(WARM_UP):
        one()
    with pytest.raises(UserError, match=r"cannot be captured as a CUDA graph \(.*captured=false"):
        one()


class Bare(Recording):
    """Looks at the gradients that there are when it records."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def capture(self, work: Work) -> None:
        assert all(weight.grad is None for weight in self.step.model.parameters())
        super().capture(work)


def test_no_gradient_is_held_while_it_is_recorded(settings: Compose) -> None:
    step = StandIn().step(settings(*small("wide_deep"), "tuned=none"), MADE)
    one = CapturedLoop(step, Batches(PART, 64, CPU), Bare(step))
    one.begin(0, 0)
    for _ in range(WARM_UP + 1):
        one()
    assert isinstance(one.graph, Bare) and one.graph.replays == 1


def test_a_cpu_runs_plain_steps(settings: Compose) -> None:
    step = StandIn().step(settings("model=lr"), MADE)
    for captured in (True, False):
        assert (
            type(make_training_loop(step, Batches(PART, 64, CPU), captured=captured))
            is TrainingLoop
        )


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "ftrl", "joint"])
def test_learning_rates_between_replays(optimizer: str, settings: Compose) -> None:
    """They are set anew for every step, and nothing is recorded again."""
    own = settings(*small("wide_deep"), "tuned=none", f"optimizer={optimizer}")
    schedule, found = CosineSettings("cosine", 4, 0.0), []
    for captured in (False, True):
        step, feed = StandIn().step(own, MADE), Batches(PART, 64, CPU)
        one = CapturedLoop(step, feed, Recording()) if captured else TrainingLoop(step, feed)
        rates = LearningRates(step.optimizer, schedule, 10)
        one.begin(5, 0)
        for number in range(10):
            rates.set(number, 0)
            one()
        found.append(bits(step))
    assert all(map(torch.equal, *found))
