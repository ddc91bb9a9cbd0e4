"""Dice, the data-adaptive activation of DIN (Zhou et al. 2018, eq. 4)."""

import torch
from torch import Tensor, nn


class Dice(nn.Module):
    """p(s) s + (1 - p(s)) alpha s, p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + 1e-8)).

    Mean and variance are those of the batch in training, their moving averages otherwise. alpha is
    a number for each unit, 0 at the start, as in the authors' code.

    Shapes: BU -> BU.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(units, eps=1e-8, affine=False)
        self.alpha = nn.Parameter(torch.zeros(units))

    def forward(self, s_BU: Tensor) -> Tensor:
        p_BU = torch.sigmoid(self.norm(s_BU))
        return p_BU * s_BU + (1 - p_BU) * self.alpha * s_BU
