"""Settings that models share, and what every model asks of the rooms around it."""

from dataclasses import dataclass

from ctrbench.data.settings import Crosses
from ctrbench.errors import UserError
from ctrbench.layers.settings import MLPSettings
from ctrbench.settings import option

STRUCTURE = "how the parts are composed: parallel, or one on the other (stacked, serial)"


@dataclass
class ModelSettings:
    """What every model has, and what it asks of the rooms around it."""

    name: str = option("name in the registry of models")

    def crossing(self) -> Crosses | None:
        """Return the crosses that the data layer prepares; None for a model without crosses."""
        return None

    def pretraining(self) -> bool:
        """Return whether the model starts from the weights of a pre-training run."""
        return False

    def check_fields(self, encodings: dict[str, str]) -> None:
        """Refuse rows that the model can make nothing of.

        Args:
            encodings: the encoding of each field there is.

        Raises:
            UserError: naming the model or the key, and what to do.
        """

    def check_history(self, history: object) -> None:
        """Refuse rows without a past, of a model that reads it.

        Args:
            history: what is declared of it; false where nothing is.

        Raises:
            UserError: naming the model, and how a history is declared.
        """

    def _ask_for(self, least: int, there: int, kind: str = "fields") -> None:
        if there < least:
            raise UserError(
                f"model={self.name}: its interactions take {least} or more {kind}, and the data "
                f"has {there}; choose another model or leave out fewer (data.exclude)"
            )


@dataclass
class FactorisedSettings(ModelSettings):
    """A model with an embedding for every feature."""

    embedding_dim: int = option("dimension of an embedding, K", ge=1)
    init_std: float = option("standard deviation of the initial embeddings", gt=0)


@dataclass
class DeepSettings(MLPSettings, FactorisedSettings):
    """A model with a multilayer perceptron."""


class NeedsTwoFields(ModelSettings):
    """A model that needs two fields or more."""

    def check_fields(self, encodings: dict[str, str]) -> None:
        self._ask_for(2, len(encodings))


class NeedsHistory(ModelSettings):
    """A model that needs past rows."""

    def check_history(self, history: object) -> None:
        if not history:
            raise UserError(
                f"model={self.name}: reads past rows, and the data has no history; declare it: "
                "'data.history={user: COLUMN, time: COLUMN, of: [FIELD, ...], length: 20}', or "
                "'data.sequences={COLUMN: FIELD}' where the rows hold it"
            )


@dataclass
class SecondNetworkSettings:
    """A second multilayer perceptron."""

    second_hidden: list[int] = option("widths of the second network's hidden layers", ge=1)
    second_dropout: float | None = option(
        "dropout of the second network; null: as model.dropout", ge=0, lt=1
    )

    def validate(self) -> None:
        """Refuse a perceptron without layers."""
        if not self.second_hidden:
            raise UserError("model.second_hidden=[]: give the width of a layer at least")
