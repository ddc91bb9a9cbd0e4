"""Learning rates over the steps of a run: settings, and the formula of each.

A schedule is a function of the step and of the evaluations so far and keeps no state, so that a run
that goes on has the learning rates of one that was not stopped.
"""

import math
from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.settings import option, settings


def without_gain(figures: list[float], least: float) -> int:
    """How many of the evaluations are not better by so much than the best before."""
    best, without = None, 0
    for figure in figures:
        if gains(figure, best, least):
            best = figure
        else:
            without += 1
    return without


def gains(figure: float, best: float | None, least: float) -> bool:
    """Whether a figure, of which more is better, is better than the best by so much."""
    return best is None or (figure > best and figure >= best + least)


@dataclass
class ScheduleSettings:
    """What every schedule has.

    Attributes:
        gain: what an evaluation must be better by to count as one with a gain.
    """

    name: str = option("name of the schedule")
    gain = 0.0

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

    def rate(self, base: float, step: int, steps: int, without_gain: int) -> float:
        """The learning rate of a step.

        Args:
            base: the optimizer's own.
            step: from 0.
            steps: of the run, by its cap of epochs.
            without_gain: evaluations so far that were none with a gain.
        """
        raise NotImplementedError


@settings("constant_rate")
@dataclass
class ConstantSettings(ScheduleSettings):
    """The optimizer's own learning rate in every step."""


@settings("plateau_rate")
@dataclass
class PlateauSettings(ScheduleSettings):
    """Times a factor after each evaluation without a gain.

    As in BARS, the open benchmark of the field, the same evaluations count for the trainer's
    patience, and their weights are not kept.
    """

    factor: float = option(
        "factor of the learning rate at an evaluation without a gain", gt=0, lt=1
    )
    gain: float = option("least improvement of the monitored figure that is a gain", ge=0)
    min_lr: float = option("lowest learning rate", ge=0)

    def check_against(self, rates: dict[str, float]) -> None:
        for key, rate in rates.items():
            if rate < self.min_lr:
                raise UserError(
                    f"trainer.schedule.min_lr={self.min_lr:g}: more than {key}={rate:g}, which is "
                    "only ever made smaller"
                )

    def rate(self, base: float, step: int, steps: int, without_gain: int) -> float:
        return max(base * self.factor**without_gain, self.min_lr)


@dataclass
class DecayingSettings(ScheduleSettings):
    """A rise over the first steps, then a decay that ends with the run's cap of epochs."""

    warmup: float = option(
        "steps in which the learning rate rises at the start; below 1: a share of all", ge=0
    )
    floor: float = option("share of the learning rate that its decay ends at", ge=0, lt=1)

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

    def rate(self, base: float, step: int, steps: int, without_gain: int) -> float:
        rising = self._rising(steps)
        if step < rising:
            return base * (step + 1) / rising
        left = self._left((step - rising) / (steps - rising))
        return base * (self.floor + (1 - self.floor) * left)

    def _left(self, done: float) -> float:
        """What is left of the way to the floor, of 1, once a share of the decay is done."""
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
