"""What the optimizers here do beyond those of torch."""

import torch


class Optimizer(torch.optim.Optimizer):
    """An optimizer that adds its own L2 terms and may update some rows of a table later.

    A learning rate that is a tensor may change between steps.
    """

    def add_l2(self) -> None:
        """Add the L2 terms to the gradients now; the next step() adds none."""

    def disable_lazy_updates(self) -> None:
        """Update every row of every table in each step from now on."""
