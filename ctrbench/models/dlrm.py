"""Deep learning recommendation model (Naumov et al. 2019)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import SomeFields
from ctrbench.layers.interactions.factorised import inner_products, pair_positions
from ctrbench.layers.mlp import MLP, activation, hidden_layers, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.dlrm import DLRMSettings


@implements("dlrm")
class DLRM(Model):
    """y = MLP_top([z, <u_i, u_j> for i < j]), u = (v_1, ..., v_C, z), z = MLP_bottom(x).

    v are the embeddings of the fields with ids, x the values of those fed as a value and the
    numbers of vectors, 0 where one is missing. Without such fields there is no z. ``cat``:
    y = MLP_top([u_1, ...]). The bottom MLP ends in an activation, as in the authors' code.
    """

    pairs_P: Tensor
    value_slots_X: Tensor

    def __init__(self, schema: Schema, settings: DLRMSettings) -> None:
        super().__init__()
        dim, value_slots = settings.embedding_dim, schema.value_slots
        with_ids = [
            i for i, field in enumerate(schema.fields) if field.encoding not in ("value", "vector")
        ]
        self.embedding = SomeFields(schema, with_ids, dim, settings.init_std)
        self.bottom = _bottom(len(value_slots), settings) if value_slots else None
        self.dots = settings.interaction == "dot"
        vectors = len(with_ids) + bool(value_slots)
        pairs = pair_positions(vectors)
        self.register_buffer("pairs_P", pairs, persistent=False)
        self.register_buffer("value_slots_X", torch.tensor(value_slots).long(), persistent=False)
        inputs = len(pairs) + dim * bool(value_slots) if self.dots else vectors * dim
        self.top = MLP(inputs, settings.widths, settings)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        u_BUK = self.embedding(ids_BS, values_BX)
        z = list[Tensor]()
        if self.bottom is not None:
            z.append(self.bottom(values_BX * (ids_BS[:, self.value_slots_X] > 0)))
            u_BUK = torch.cat([u_BUK, z[0][:, None]], dim=1)
        inputs_BI = u_BUK.flatten(start_dim=1)
        if self.dots:
            inputs_BI = torch.cat([*z, inner_products(u_BUK, self.pairs_P)], dim=1)
        logits_B: Tensor = self.top(inputs_BI)
        return logits_B


def _bottom(values: int, settings: DLRMSettings) -> nn.Sequential:
    """Return the X values as a vector of length K."""
    own = replace(settings, dropout=settings.bottom_dropout)
    last = linear([values, *settings.bottom][-1], settings.embedding_dim)
    after = activation(settings, settings.embedding_dim)
    return nn.Sequential(*hidden_layers(values, settings.bottom, own), last, after)
