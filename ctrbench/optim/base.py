"""What our optimizers do beyond torch's."""

import torch


class Optimizer(torch.optim.Optimizer):
    """It adds its own L2 terms, and may defer the updates of some rows of a table.

    A learning rate that is a tensor may change between steps.
    """

    def add_l2(self) -> None:
        """Add the L2 terms to the gradients now; the next step() adds none."""

    def move_all_rows(self) -> None:
        """From now on, update every row of a table in every step."""
