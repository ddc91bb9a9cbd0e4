"""Learning rates that a schedule sets between steps."""

import torch

from ctrbench.training.schedule import ConstantSettings, ScheduleSettings


class LearningRates:
    """Set the learning rates of an optimizer by a schedule.

    Scheduled rates are tensors on the weights' device, written in place, so that a captured step
    reads the current ones. Constant rates stay numbers.

    Args:
        optimizer: its current learning rates are those that the schedule starts from.
        steps: the number of steps of the whole run.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, settings: ScheduleSettings, steps: int
    ) -> None:
        settings.check_steps(steps)
        self.optimizer, self.settings, self.steps = optimizer, settings, steps
        self.bases = [group["lr"] for group in optimizer.param_groups]
        device = optimizer.param_groups[0]["params"][0].device
        # The fused kernels of a GPU read a float32.
        dtype = torch.float64 if device.type == "cpu" else torch.float32
        self.rates = [torch.tensor(base, dtype=dtype, device=device) for base in self.bases]
        self.set_to = list(self.bases)

    def set(self, step: int, without_improvement: int) -> None:
        """Set the rates of a step, by :meth:`ScheduleSettings.rate`; it waits for no device."""
        if isinstance(self.settings, ConstantSettings):
            return
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = self.rates[i]  # a state that was loaded brought its own
            rate = self.settings.rate(self.bases[i], step, self.steps, without_improvement)
            if rate != self.set_to[i]:
                self.rates[i].fill_(rate)
                self.set_to[i] = rate
