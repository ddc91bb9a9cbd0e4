"""Settings of the layers that models share."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ctrbench.errors import UserError
from ctrbench.settings import option

ACTIVATIONS = {  # and torch.nn's names of them; Dice is ours
    "relu": "ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "prelu": "PReLU",
    "dice": "Dice",
}
INNER_PRODUCTS = ("factorised", "full")
INIT_NETWORK = ("glorot_uniform", "glorot_normal")
SHAPES = ("constant", "increasing", "decreasing", "diamond")
# What gives the widths of a perceptron, where it is set, and the options that then change nothing.
WIDTHS = {
    "hidden": ("each layer's width", ("layers", "neurons", "total_neurons", "shape")),
    "total_neurons": ("the neurons of all layers", ("neurons",)),
}
FIELD_WEIGHTS = ("number", "vector", "matrix")
BILINEAR = ("all", "each", "interaction")


def unread(model: Mapping[Any, Any]) -> dict[str, str]:
    """Return the options of a model that have no effect, and which option replaces them."""
    return {
        option: by
        for by, (_, options) in reversed(WIDTHS.items())  # what decides over others comes last
        if model.get(by) is not None
        for option in options
    }


@dataclass
class NetworkSettings:
    """A model with weights other than embeddings and first-order weights."""

    init_network: str = option(
        "distribution of the initial weights of linear layers; biases start from 0",
        choices=INIT_NETWORK,
        default=INIT_NETWORK[0],
        neutral=INIT_NETWORK[0],
    )


@dataclass
class HiddenSettings(NetworkSettings):
    """Settings of what follows W a + b in a hidden layer."""

    activation: str = option("activation of the hidden layers", choices=tuple(ACTIVATIONS))
    dropout: float = option(
        "probability of DROPPING a hidden unit: 1 - the DeepFM paper's, which is of keeping it",
        ge=0,
        lt=1,
    )
    batch_norm: bool = option("batch normalisation before the activation of hidden layers")


@dataclass
class MLPSettings(HiddenSettings):
    """A multilayer perceptron.

    Its widths are ``hidden``, or where that is null those of ``layers``, ``neurons`` and ``shape``.
    """

    hidden: list[int] | None = option(
        "widths of the hidden layers; null: by model.layers, model.neurons, model.shape", ge=1
    )
    layers: int = option("number of hidden layers", ge=1)
    neurons: int = option("mean number of neurons of a hidden layer", ge=1)
    total_neurons: int | None = option(
        "neurons of all hidden layers together, in place of model.neurons", ge=1
    )
    shape: str = option("distribution of the neurons over the hidden layers", choices=SHAPES)

    def validate(self) -> None:
        """Refuse an MLP without layers, and a shape that gives a layer no neurons."""
        if not self.widths:
            raise UserError("model.hidden=[]: give the width of a layer at least")
        if 0 in self.widths:
            raise UserError(
                f"model.shape={self.shape}: {self._total} neurons in {self.layers} layers give "
                f"{self.widths}; give every layer some (model.neurons, model.layers)"
            )

    @property
    def widths(self) -> list[int]:
        """Neurons of each hidden layer. Of 600 in 3 layers: constant 200-200-200, increasing
        100-200-300, decreasing 300-200-100, diamond 150-300-150 (DeepFM, figure 11)."""
        if self.hidden is not None:
            return list(self.hidden)
        up = list(range(1, self.layers + 1))
        shares = {
            "constant": [1] * self.layers,
            "increasing": up,
            "decreasing": up[::-1],
            "diamond": [min(i, self.layers + 1 - i) for i in up],
        }[self.shape]
        bounds = [round(self._total * sum(shares[:i]) / sum(shares)) for i in range(len(up) + 1)]
        return [high - low for low, high in pairwise(bounds)]

    @property
    def _total(self) -> int:
        return self.total_neurons or self.neurons * self.layers


@dataclass
class AttentionSettings(NetworkSettings):
    """Multi-head self-attention between fields."""

    attention_layers: int = option("self-attention layers, one on the other", ge=1)
    attention_dim: int = option(
        "dimension of a field's vector in self-attention, all heads together", ge=1
    )
    heads: int = option("attention heads, which share model.attention_dim", ge=1)
    residual: bool = option("residual connection past every self-attention layer")
    scale: bool = option("divide attention scores by the square root of a head's dimension")
    layer_norm: bool = option("layer normalisation of each field's vector before its activation")
    attention_dropout: float = option("probability of dropping an attention weight", ge=0, lt=1)

    def validate(self) -> None:
        """Refuse vectors that heads cannot share."""
        if self.attention_dim % self.heads:
            raise UserError(
                f"model.heads={self.heads}: does not divide model.attention_dim="
                f"{self.attention_dim}; every head has its part of it"
            )
