"""Learning rates over the steps of a run: settings, and the formula of each.

A schedule is a function of the step and of the evaluations so far and keeps no state, so that a run
that goes on has the learning rates of one that was not stopped.
"""

import math
from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.settings import option, settings


def evaluations_without_improvement(figures: list[float], min_delta: float) -> int:
    """Return how many of the evaluations so far did not improve on the best one before."""
    best, without = None, 0
    for figure in figures:
        if improves(figure, best, min_delta):
            best = figure
        else:
            without += 1
    return without


def improves(figure: float, best: float | None, min_delta: float) -> bool:
    """Return whether a figure is larger than the best one by ``min_delta``."""
    return best is None or (figure > best and figure >= best + min_delta)


@dataclass
class ScheduleSettings:
    """What every schedule has.

    Attributes:
        min_delta: least change of the monitored metric that is an improvement.
    """

    name: str = option("name of the schedule")
    min_delta = 0.0

    def check_against(self, rates: dict[str, float]) -> None:
        """Refuse the learning rates of an optimizer, by key, that the schedule cannot start from.

        Raises:
            UserError: naming both keys.
        """

    def check_steps(self, steps: int) -> None:
        """Refuse a run of so few steps.

        Raises:
            UserError: naming the key.
        """

    def rate(self, base: float, step: int, steps: int, without_improvement: int) -> float:
        """The learning rate of a step.

        Args:
            base: the optimizer's own.
            step: from 0.
            steps: of the run, by its cap of epochs.
            without_improvement: evaluations so far that did not improve.
        """
        raise NotImplementedError


@settings("constant_rate")
@dataclass
class ConstantSettings(ScheduleSettings):
    """The optimizer's own learning rate in every step."""


@settings("plateau_rate")
@dataclass
class PlateauSettings(ScheduleSettings):
    """Times a factor after each evaluation without improvement.

    As in BARS, the open benchmark of the field, the same evaluations count for the trainer's
    patience, and their weights are not kept.
    """

    factor: float = option(
        "factor of the learning rate at an evaluation without improvement", gt=0, lt=1
    )
    min_delta: float = option(
        "least change of the monitored metric that is an improvement, for patience too", ge=0
    )
    min_lr: float = option("lowest learning rate", ge=0)

    def check_against(self, rates: dict[str, float]) -> None:
        for key, rate in rates.items():
            if rate < self.min_lr:
                raise UserError(
                    f"trainer.schedule.min_lr={self.min_lr:g}: more than {key}={rate:g}, which is "
                    "only ever made smaller"
                )

    def rate(self, base: float, step: int, steps: int, without_improvement: int) -> float:
        return max(base * self.factor**without_improvement, self.min_lr)


@dataclass
class DecayingSettings(ScheduleSettings):
    """A rise over the first steps, then a decay that ends with the run's cap of epochs."""

    warmup: float = option(
        "warm-up steps of the learning rate; below 1: a fraction of all steps", ge=0
    )
    floor: float = option("final learning rate, as a fraction of the initial one", ge=0, lt=1)

    def validate(self) -> None:
        """Refuse a part of a step."""
        if self.warmup > 1 and self.warmup % 1:
            raise UserError(
                f"trainer.schedule.warmup={self.warmup:g}: is no number of steps; from 1 on give a "
                "whole one, below 1 a share of all steps"
            )

    def check_steps(self, steps: int) -> None:
        if self._rising(steps) >= steps:
            raise UserError(
                f"trainer.schedule.warmup={self.warmup:g}: takes all {steps:,} steps of the run; "
                "give fewer, or raise trainer.epochs"
            )

    def _rising(self, steps: int) -> int:
        return int(self.warmup) if self.warmup >= 1 else round(self.warmup * steps)

    def rate(self, base: float, step: int, steps: int, without_improvement: int) -> float:
        rising = self._rising(steps)
        if step < rising:
            return base * (step + 1) / rising
        left = self._left((step - rising) / (steps - rising))
        return base * (self.floor + (1 - self.floor) * left)

    def _left(self, done: float) -> float:
        """Return what remains of the decay, from 1 to 0, after a share of its steps."""
        raise NotImplementedError


@settings("cosine_rate")
@dataclass
class CosineSettings(DecayingSettings):
    """Half a period of a cosine (Loshchilov & Hutter, SGDR, ICLR 2017, eq. 5, one cycle)."""

    def _left(self, done: float) -> float:
        return (1 + math.cos(math.pi * done)) / 2


@settings("linear_rate")
@dataclass
class LinearDecaySettings(DecayingSettings):
    """A straight line."""

    def _left(self, done: float) -> float:
        return 1 - done
