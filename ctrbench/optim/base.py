"""What our optimizers do beside torch's."""

import torch


class Optimizer(torch.optim.Optimizer):
    """One whose L2 is its own, and that may move some rows of a table later than others.

    A learning rate that is a tensor may be another one in every step.
    """

    def add_l2(self) -> None:
        """Make L2 part of the gradients now; the next step adds none then."""

    def move_all_rows(self) -> None:
        """From now on have every row of a table moved by every step."""
