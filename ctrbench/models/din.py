"""Deep interest network (Zhou et al. 2018)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.history import HistoryEmbedding
from ctrbench.layers.mlp import MLP, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.din import DINSettings


@implements("din")
class DIN(Model):
    """y = MLP([V_1 x_1, ..., V_F x_F, sum_t a(p_t, q) p_t]), eq. 3.

    q is the row's own embedding of the fields whose past p is there. a is the last output of a
    small network over [p, q, p - q, p * q], as in the authors' code, and is no softmax over the
    past, as in the paper: the strength of an interest is kept. The label of a past row stands
    beside its p. The small network has PReLU; Dice would see the places without a row.
    """

    def __init__(self, schema: Schema, settings: DINSettings) -> None:
        super().__init__()
        dim = settings.embedding_dim
        self.history = HistoryEmbedding(schema, dim, settings.init_std)
        widths = [self.history.inputs + 3 * self.history.columns * dim, *settings.attention_hidden]
        layers = list[nn.Module]()
        for inputs, outputs in pairwise(widths):
            layers += [linear(inputs, outputs), nn.PReLU()]
        self.attention = nn.Sequential(*layers, linear(widths[-1], 1))
        inputs = self.history.fields * dim + self.history.inputs
        self.mlp = MLP(inputs, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows = self.history(ids_BS, values_BX)
        p_BTK, q_B1K = rows.past_BTCK.flatten(2), self.history.targets(rows).flatten(1)[:, None]
        seen_BTI = torch.cat([rows.inputs, q_B1K.expand_as(p_BTK), p_BTK - q_B1K, p_BTK * q_B1K], 2)
        a_BT = torch.where(rows.used_BT, self.attention(seen_BTI).squeeze(2), 0)
        interest_BI = (a_BT[:, None] @ rows.inputs).squeeze(1)
        inputs_BI = torch.cat([rows.present_BFK.flatten(start_dim=1), interest_BI], dim=1)
        logits_B: Tensor = self.mlp(inputs_BI)
        return logits_B
