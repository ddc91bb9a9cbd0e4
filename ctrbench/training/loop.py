"""The steps of a run one after the other; their losses stay on the device until they are read."""

import torch

from ctrbench.data.batches import Batches
from ctrbench.training.step import Step


class Loop:
    """Each step by itself: what :class:`ctrbench.training.captured.CapturedLoop` must equal.

    Attributes:
        losses_T: of the epoch's steps, on the device.
    """

    def __init__(self, step: Step, batches: Batches) -> None:
        self.step, self.batches, self.done = step, batches, 0
        self.losses_T = torch.zeros(batches.steps, device=batches.device)

    def begin(self, seed: int, epoch: int, first_step: int = 0) -> None:
        """Go to a step of an epoch."""
        self.epoch, self.done = self.batches.epoch(seed, epoch, first_step), first_step

    def __call__(self) -> None:
        """The next step of the epoch. It does not wait for the device."""
        self.losses_T[self.done].copy_(self.step(next(self.epoch)))
        self.done += 1
