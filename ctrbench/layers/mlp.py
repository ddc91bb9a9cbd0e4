"""Multilayer perceptrons and their parts."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.layers.dice import Dice
from ctrbench.layers.initialization import glorot_
from ctrbench.layers.settings import ACTIVATIONS, HiddenSettings


class Dropout(nn.Module):
    """Zero each unit with probability ``p`` in training and scale the rest by 1 / (1 - p).

    On a CPU torch's own draws cost as much as the matrix products. Here a unit takes 16 random
    bits, so that four share one draw, and p is rounded to a multiple of 2^-16; where p is 1/2 it
    takes one bit.
    """

    coins: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.dropped = min(round(p * 2**16), 2**16 - 1)
        self.scale = 2**16 / (2**16 - self.dropped)
        bits = torch.arange(256)[:, None] >> torch.arange(8) & 1
        self.register_buffer("coins", bits * self.scale, persistent=False)

    def forward(self, a: Tensor) -> Tensor:
        if a.device.type != "cpu":
            return F.dropout(a, self.p, self.training)
        if not self.training:
            return a
        return a * (self._fair_coins(a) if self.dropped == 2**15 else self._bernoulli(a))

    def _bernoulli(self, a: Tensor) -> Tensor:
        kept = _random(a.numel(), torch.int16).view(a.shape) >= self.dropped - 2**15
        return kept.to(a.dtype).mul_(self.scale)

    def _fair_coins(self, a: Tensor) -> Tensor:
        """Return factors 0 or 2, eight for each random byte, from a table."""
        bytes_N = _random(-(-a.numel() // 8), torch.uint8).int()
        return F.embedding(bytes_N, self.coins.to(a.dtype)).flatten()[: a.numel()].view(a.shape)


def dropout_layer(p: float) -> nn.Module:
    """Return a dropout layer, or the identity for probability 0."""
    return Dropout(p) if p > 0 else nn.Identity()


def _random(count: int, dtype: torch.dtype) -> Tensor:
    """Return uniform random integers, several from each draw of 64 bits."""
    draws = torch.empty(-(-count * dtype.itemsize // 8), dtype=torch.int64)
    return draws.random_(-(2**63), None).view(dtype)[:count]


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer with Glorot weights and a bias of zero, or none."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    glorot_(layer.weight.data, inputs=inputs, outputs=outputs)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def glorot(*shape: int, inputs: int, outputs: int) -> nn.Parameter:
    """Return a parameter with Glorot weights of linear maps, in any shape."""
    return nn.Parameter(glorot_(torch.empty(shape), inputs=inputs, outputs=outputs))


def activation(settings: HiddenSettings, units: int) -> nn.Module:
    """Return the activation of a hidden layer with the given number of units."""
    if settings.activation == "dice":
        return Dice(units)
    function: nn.Module = getattr(nn, ACTIVATIONS[settings.activation])()
    return function


class Hidden(nn.Sequential):
    """Turn W a + b into the next layer: dropout(act(batch norm(W a + b))).

    Shapes: BU -> BU.
    """

    def __init__(self, units: int, settings: HiddenSettings) -> None:
        layers = [activation(settings, units)]
        if settings.batch_norm:
            layers.insert(0, nn.BatchNorm1d(units))
        if settings.dropout > 0:
            layers.append(Dropout(settings.dropout))
        super().__init__(*layers)


def hidden_layers(inputs: int, widths: list[int], settings: HiddenSettings) -> list[nn.Module]:
    """Return, for each width, the linear layer W_l a_l + b_l and what follows it.

    There is no b_l before batch normalisation, which would subtract it again: its gradient would be
    rounding alone, and Adam would let it drift by that.
    """
    layers: list[nn.Module] = []
    for width in widths:
        layers += [linear(inputs, width, bias=not settings.batch_norm), Hidden(width, settings)]
        inputs = width
    return layers


class MLP(nn.Sequential):
    """a_{l+1} = hidden(W_l a_l + b_l) for each width, then one output (DeepFM, eq. 4).

    Args:
        inputs: width of the input.
        widths: of the hidden layers; none gives a linear output.

    Shapes: B x inputs -> B.
    """

    def __init__(self, inputs: int, widths: list[int], settings: HiddenSettings) -> None:
        layers = hidden_layers(inputs, widths, settings)
        super().__init__(*layers, linear([inputs, *widths][-1], 1))

    @property
    def output(self) -> nn.Linear:
        """The last layer."""
        layer = self[-1]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, input: Tensor) -> Tensor:
        for layer in self:
            input = layer(input)
        return input.squeeze(-1)
