"""The deep part of every deep model."""

import torch
from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding
from ctrbench.layers.settings import ACTIVATIONS, MLPSettings


class Dropout(nn.Module):
    """Zero each unit with probability ``p`` in training and scale the rest by 1 / (1 - p).

    A unit takes 16 random bits, so that four share one draw (on a CPU the draws cost as much as the
    matrix products): p is rounded to a multiple of 2^-16.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropped = min(round(p * 2**16), 2**16 - 1)
        self.scale = 2**16 / (2**16 - self.dropped)

    def forward(self, a: Tensor) -> Tensor:
        if not self.training:
            return a
        draws = torch.empty(-(-a.numel() // 4), dtype=torch.int64, device=a.device)
        bits = draws.random_(-(2**63), None).view(torch.int16)[: a.numel()].view(a.shape)
        return a * (bits >= self.dropped - 2**15).to(a.dtype).mul_(self.scale)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Glorot weights and a bias of zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Hidden(nn.Sequential):
    """What turns W a + b into the next layer: dropout(act(batch norm(W a + b))).

    Shapes: BU -> BU.
    """

    def __init__(self, units: int, settings: MLPSettings) -> None:
        layers: list[nn.Module] = [getattr(nn, ACTIVATIONS[settings.activation])()]
        if settings.batch_norm:
            layers.insert(0, nn.BatchNorm1d(units))
        if settings.dropout > 0:
            layers.append(Dropout(settings.dropout))
        super().__init__(*layers)


class MLP(nn.Sequential):
    """a_{l+1} = hidden(W_l a_l + b_l) for each width, then one output (DeepFM, eq. 4).

    Args:
        inputs: width of the input.
        widths: of the hidden layers; none gives a linear output.

    Shapes: B x inputs -> B.
    """

    def __init__(self, inputs: int, widths: list[int], settings: MLPSettings) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [linear(inputs, width), Hidden(width, settings)]
            inputs = width
        super().__init__(*layers, linear(inputs, 1))

    def forward(self, input: Tensor) -> Tensor:
        for layer in self:
            input = layer(input)
        return input.squeeze(-1)


class DNN(nn.Module):
    """DNN(E): an MLP over embeddings E of its own, the deep part beside a wide one.

    Shapes: ids_BS, values_BX -> B.
    """

    def __init__(self, schema: Schema, dim: int, std: float, settings: MLPSettings) -> None:
        super().__init__()
        self.embedding = Embedding(schema, dim, std)
        self.mlp = MLP(len(schema.fields) * dim, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        logits_B: Tensor = self.mlp(self.embedding(ids_BS, values_BX).flatten(start_dim=1))
        return logits_B
