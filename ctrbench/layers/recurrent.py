"""Recurrent layers over sequences of a fixed length, of which some places are not used."""

import torch
from torch import Tensor, nn

from ctrbench.layers.mlp import linear


class Elman(nn.Module):
    """h_t = tanh(W x_t + b + R h_{t-1}), h_0 = 0 (Elman 1990).

    Shapes: x_BTI, used_BT -> h of the last used place, BU; 0 where none is.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.input, self.recurrent = linear(inputs, units), linear(units, units, bias=False)

    def forward(self, x_BTI: Tensor, used_BT: Tensor) -> Tensor:
        inputs, used = self.input(x_BTI).unbind(1), used_BT[..., None].unbind(1)
        h_BU = torch.zeros_like(inputs[0])
        for input_BU, used_B1 in zip(inputs, used, strict=True):
            h_BU = torch.where(used_B1, self.step(input_BU, h_BU), h_BU)
        return h_BU

    def step(self, input_BU: Tensor, h_BU: Tensor) -> Tensor:
        """Return the next state, given an input that was multiplied and shifted already."""
        return torch.tanh(input_BU + self.recurrent(h_BU))


class GRU(nn.Module):
    """Gated recurrent units (Cho et al. 2014, eq. 5 to 8; h_0 = 0).

    z_t = sigmoid(W_z x_t + b_z + R_z h_{t-1}), r_t the same of its own,
    h_t = z_t h_{t-1} + (1 - z_t) tanh(W x_t + b + R (r_t h_{t-1})), products by elements.

    Shapes: x_BTI, used_BT -> h of the last used place, BU; 0 where none is.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.input = nn.ModuleList(linear(inputs, units) for _ in range(3))  # of z, r and h
        self.recurrent = nn.ModuleList(linear(units, units, bias=False) for _ in range(3))

    def forward(self, x_BTI: Tensor, used_BT: Tensor) -> Tensor:
        of_z, of_r, of_h = self.recurrent
        inputs = [layer(x_BTI).unbind(1) for layer in self.input]
        h_BU = torch.zeros_like(inputs[0][0])
        for z_BU, r_BU, n_BU, used_B1 in zip(*inputs, used_BT[..., None].unbind(1), strict=True):
            z_BU = torch.sigmoid(z_BU + of_z(h_BU))
            r_BU = torch.sigmoid(r_BU + of_r(h_BU))
            n_BU = torch.tanh(n_BU + of_h(r_BU * h_BU))
            h_BU = torch.where(used_B1, z_BU * h_BU + (1 - z_BU) * n_BU, h_BU)
        return h_BU
