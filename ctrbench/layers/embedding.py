"""The one embedding layer: a table over the features of all fields, gathered once."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.schema import Schema


class Embedding(nn.Module):
    """x_i times the table row of feature i, for every field of a batch.

    A model asks for as many columns as it needs and splits them after the one gather. The first
    column is the first-order weight w, zero at the start; the others start as N(0, std^2).

    Args:
        schema: the fields; feature ids are local to a field, the layer adds the field's offset.
        columns: D.
        std: standard deviation of the initial factors.

    Shapes: ids_BF integer, values_BX float (X may be 0) -> BFD.
    """

    offsets_F: Tensor
    value_fields_X: Tensor

    def __init__(self, schema: Schema, columns: int, std: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(schema.features, columns))
        nn.init.normal_(self.weight.data[:, 1:], std=std)
        offsets = torch.tensor(schema.offsets, dtype=torch.int32)
        value_fields = torch.tensor(schema.value_fields, dtype=torch.int64)
        self.register_buffer("offsets_F", offsets, persistent=False)
        self.register_buffer("value_fields_X", value_fields, persistent=False)

    def forward(self, ids_BF: Tensor, values_BX: Tensor) -> Tensor:
        rows_BFD = F.embedding(ids_BF + self.offsets_F, self.weight)
        if self.value_fields_X.numel() == 0:
            return rows_BFD
        x_BF = rows_BFD.new_ones(ids_BF.shape)
        return rows_BFD * x_BF.index_copy(1, self.value_fields_X, values_BX)[..., None]
