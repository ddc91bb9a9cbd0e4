"""Sequential click prediction with a recurrent network (Zhang et al. 2014)."""

from torch import Tensor

from ctrbench.data.schema import Schema
from ctrbench.layers.history import HistoryEmbedding
from ctrbench.layers.mlp import linear
from ctrbench.layers.recurrent import Elman
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.rnn import RNNSettings


@implements("rnn")
class RNN(Model):
    """y = V h + c, h = tanh(U [V_1 x_1, ..., V_F x_F] + b + R h_n), eq. 1 and 2.

    h_n = tanh(U' p_n + b' + R h_{n-1}) of the last past row p_n, and so on; h_0 = 0. A past row has
    the declared fields alone, so its U' is one of its own; R is the same. There is no dropout.
    """

    def __init__(self, schema: Schema, settings: RNNSettings) -> None:
        super().__init__()
        dim, units = settings.embedding_dim, settings.state_dim
        self.history = HistoryEmbedding(schema, dim, settings.init_std)
        self.past = Elman(self.history.inputs, units)
        self.present = linear(self.history.fields * dim, units)
        self.output = linear(units, 1)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows = self.history(ids_BS, values_BX)
        h_BU = self.past(rows.inputs, rows.used_BT)
        h_BU = self.past.step(self.present(rows.present_BFK.flatten(start_dim=1)), h_BU)
        logits_B: Tensor = self.output(h_BU).squeeze(1)
        return logits_B
