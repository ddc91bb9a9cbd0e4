"""FinalMLP (Mao et al. 2023)."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from ctrbench.data.schema import Schema
from ctrbench.layers.embedding import Embedding, SomeFields
from ctrbench.layers.mlp import glorot, hidden_layers, linear
from ctrbench.models.base import Model, implements
from ctrbench.models.settings.finalmlp import FinalMLPSettings


@implements("finalmlp")
class FinalMLP(Model):
    """y = b + w_1^T o_1 + w_2^T o_2 + sum_h o_1h^T W_h o_2h over k heads, the parts of o_1 and o_2.

    o_s = MLP_s(2 g_s * V), V = (v_1, ..., v_F), with a gate g_s = sigmoid(MLP(context_s)). A
    context is the embeddings, of its own, of the fields that it names. One that names none is a
    vector that starts at zero, as in FuxiCTR: behind hidden layers of relus, whose biases start at
    zero too, it never gets a gradient, and only the gate's last bias is trained.
    """

    def __init__(self, schema: Schema, settings: FinalMLPSettings) -> None:
        super().__init__()
        dim, dropout = settings.embedding_dim, settings.second_dropout
        inputs = len(schema.fields) * dim
        self.embedding = Embedding(schema, dim, settings.init_std)
        contexts = settings.first_context, settings.second_context
        self.gates = nn.ModuleList(
            _Gate(schema, names, settings.gate, settings)
            for names in contexts
            if settings.gate is not None
        )
        second = settings if dropout is None else replace(settings, dropout=dropout)
        self.first = nn.Sequential(*hidden_layers(inputs, settings.widths, settings))
        self.second = nn.Sequential(*hidden_layers(inputs, settings.second_hidden, second))
        lengths = settings.widths[-1], settings.second_hidden[-1]
        self.fusion = BilinearFusion(*lengths, settings.fusion_heads)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        v_BD = self.embedding(ids_BS, values_BX).flatten(start_dim=1)
        streams = [v_BD * gate(ids_BS, values_BX) for gate in self.gates] or [v_BD, v_BD]
        logits_B: Tensor = self.fusion(self.first(streams[0]), self.second(streams[1]))
        return logits_B


class _Gate(nn.Module):
    """2 sigmoid(MLP(context)), the MLP of relus. Shapes: ids_BS, values_BX -> BD, or 1D."""

    def __init__(
        self, schema: Schema, names: list[str], widths: list[int], settings: FinalMLPSettings
    ) -> None:
        super().__init__()
        dim = settings.embedding_dim
        positions = [i for i, field in enumerate(schema.fields) if field.name in names]
        if positions:
            self.context = SomeFields(schema, positions, dim, settings.init_std)
        else:
            self.vector = nn.Parameter(torch.zeros(1, dim))
        plain = replace(settings, activation="relu", dropout=0.0, batch_norm=False)
        inputs = max(1, len(positions)) * dim
        self.mlp = nn.Sequential(
            *hidden_layers(inputs, widths, plain),
            linear([inputs, *widths][-1], len(schema.fields) * dim),
        )

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        if hasattr(self, "vector"):
            context = self.vector
        else:
            context = self.context(ids_BS, values_BX).flatten(start_dim=1)
        gates: Tensor = 2 * self.mlp(context).sigmoid()
        return gates


class BilinearFusion(nn.Module):
    """b + w_1^T o_1 + w_2^T o_2 + sum_h o_1h^T W_h o_2h. Shapes: BU, BW -> B."""

    def __init__(self, first: int, second: int, heads: int) -> None:
        super().__init__()
        self.of_first, self.of_second = linear(first, 1), linear(second, 1, bias=False)
        parts = first // heads, second // heads
        self.weight = glorot(heads, *parts, inputs=heads * parts[0] * parts[1], outputs=1)

    def forward(self, o_BU: Tensor, o_BW: Tensor) -> Tensor:
        heads, first, second = self.weight.shape
        o_HBU = o_BU.view(-1, heads, first).transpose(0, 1)
        o_HBW = o_BW.view(-1, heads, second).transpose(0, 1)
        fused_B = ((o_HBU @ self.weight) * o_HBW).sum(dim=(0, 2))
        logits_B: Tensor = (self.of_first(o_BU) + self.of_second(o_BW)).squeeze(1) + fused_B
        return logits_B
