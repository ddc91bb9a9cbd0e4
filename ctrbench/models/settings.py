"""Settings of the models, by what they are made of."""

from dataclasses import dataclass

from ctrbench.settings import option, settings


@settings("linear")
@dataclass
class LinearSettings:
    """A model with first-order weights alone."""

    name: str = option("name in the registry of models")


@settings("factorised")
@dataclass
class FactorisedSettings(LinearSettings):
    """A model with an embedding for every feature."""

    embedding_dim: int = option("K, the length of an embedding", ge=1)
    init_std: float = option("standard deviation of the initial embeddings", gt=0)


@settings("deep")
@dataclass
class DeepSettings(FactorisedSettings):
    """A model with a multilayer perceptron over the embeddings."""

    hidden: list[int] = option("widths of the hidden layers", ge=1)
    activation: str = option(
        "activation of the hidden layers", choices=("relu", "tanh", "sigmoid", "prelu")
    )
    dropout: float = option("probability of DROPPING a hidden unit (1 - the paper's)", ge=0, lt=1)
