"""The deep part of every deep model."""

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "prelu": nn.PReLU,
}


class Dropout(nn.Module):
    """Zero each unit with probability ``p`` in training and scale the rest by 1 / (1 - p).

    A unit takes 16 random bits, so that four share one draw (on a CPU the draws cost as much as the
    matrix products): p is rounded to a multiple of 2^-16.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropped = round(p * 2**16)
        self.scale = 2**16 / (2**16 - self.dropped)

    def forward(self, a: Tensor) -> Tensor:
        if not self.training:
            return a
        draws = torch.empty(-(-a.numel() // 4), dtype=torch.int64, device=a.device)
        bits = draws.random_(-(2**63), None).view(torch.int16)[: a.numel()].view(a.shape)
        return a * (bits >= self.dropped - 2**15).to(a.dtype).mul_(self.scale)


class MLP(nn.Sequential):
    """a_{l+1} = dropout(act(W_l a_l + b_l)) for each hidden layer, then one output (DeepFM, eq. 4).

    Args:
        inputs: width of the input.
        hidden: widths of the hidden layers.
        activation: a name of ACTIVATIONS.
        dropout: probability of DROPPING a unit.

    Shapes: B x inputs -> B.
    """

    def __init__(self, inputs: int, hidden: list[int], activation: str, dropout: float) -> None:
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(inputs, width), ACTIVATIONS[activation]()]
            if dropout > 0:
                layers.append(Dropout(dropout))
            inputs = width
        super().__init__(*layers, nn.Linear(inputs, 1))
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, input: Tensor) -> Tensor:
        for layer in self:
            input = layer(input)
        return input.squeeze(-1)


def zero_bias() -> nn.Parameter:
    """The global bias w_0 of a model, zero at the start."""
    return nn.Parameter(torch.zeros(()))
