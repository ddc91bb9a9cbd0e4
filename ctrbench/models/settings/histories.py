"""Settings of the models that read a history in its order."""

from dataclasses import dataclass

from ctrbench.errors import UserError
from ctrbench.layers.settings import MLPSettings, NetworkSettings
from ctrbench.models.settings.base import DeepSettings, FactorisedSettings, ModelSettings
from ctrbench.settings import option, settings


class NeedsHistory(ModelSettings):
    """Those of a model that needs past rows."""

    def check_history(self, history: object) -> None:
        if not history:
            raise UserError(
                f"model={self.name}: reads past rows, and the data has no history; declare it: "
                "'data.history={user: COLUMN, time: COLUMN, of: [FIELD, ...], length: 20}', or "
                "'data.sequences={COLUMN: FIELD}' where the rows hold it"
            )


@dataclass
class _State(NetworkSettings):
    state_dim: int = option("hidden units of the recurrent layer", ge=1)


@settings("rnn")
@dataclass
class RNNSettings(NeedsHistory, _State, FactorisedSettings):
    """A recurrent layer alone."""


@settings("gru4ctr")
@dataclass
class GRU4CTRSettings(NeedsHistory, _State, DeepSettings):
    """A recurrent layer over the past, and a multilayer perceptron."""


@settings("din")
@dataclass
class DINSettings(NeedsHistory, DeepSettings):
    """Attention of a row to its past, and a multilayer perceptron."""

    attention_hidden: list[int] = option("widths of the attention network's hidden layers", ge=1)

    def validate(self) -> None:
        """Refuse networks without layers."""
        MLPSettings.validate(self)
        if not self.attention_hidden:
            raise UserError("model.attention_hidden=[]: give the width of a layer at least")
