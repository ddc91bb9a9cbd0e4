"""The one embedding layer: a table over the features of all fields, gathered once."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.schema import Schema
from ctrbench.layers.lookup import Read, lookup
from ctrbench.layers.precision import dots, without_autocast


class Embedding(nn.Module):
    """x_i times the table row of feature i, for every field of a batch.

    A field of several values is the mean or the sum of their rows, 0 where it has none. A numeric
    field fed as a value is the value times its row.

    Args:
        schema: the fields; feature ids are local to a field, the layer adds the field's offset.
        dim: columns of the table that start as N(0, std^2).
        std: their standard deviation.
        first_order: one more column, the first: the weight w, zero at the start.

    Shapes: ids_BS integer, values_BX float (X may be 0) -> BFD, D = dim + first_order.

    Attributes:
        read: gives rows of the table to training; where it is set, the table's gradient is a sparse
            tensor of the rows that were read, else a dense one of all rows.
        before_all: called before any row may be read otherwise, as in evaluation.
            Both are the optimizer's to set.
    """

    read: Read | None = None
    before_all: Callable[[], object] | None = None
    offsets_S: Tensor
    value_slots_X: Tensor
    padding_S: Tensor
    pool_FS: Tensor
    is_mean_F: Tensor

    def __init__(
        self, schema: Schema, dim: int, std: float = 0.0, *, first_order: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(schema.features, dim + first_order))
        nn.init.normal_(self.weight.data[:, int(first_order) :], std=std)
        fields = schema.fields
        self.has_bags = any(field.padding >= 0 for field in fields)
        owner_S = torch.tensor(schema.field_of_slot)
        constants = {
            "offsets_S": torch.tensor(schema.offsets, dtype=torch.int32),
            "value_slots_X": torch.tensor(schema.value_slots, dtype=torch.int64),
            "padding_S": torch.tensor([fields[i].padding for i in schema.field_of_slot]),
            "pool_FS": (torch.arange(len(fields))[:, None] == owner_S).float(),
            "is_mean_F": torch.tensor([field.encoding == "mean" for field in fields]),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows = self._gather(ids_BS, [self.weight.shape[1]])
        return self._of_fields(ids_BS, values_BX, rows)[0]

    def apart(self, ids_BS: Tensor, values_BX: Tensor) -> tuple[Tensor, Tensor]:
        """The same of a table with a first-order column, cut behind it: w_i x_i BF, v_i x_i BFK.
        To gather them apart is faster than to cut what is gathered."""
        rows = self._gather(ids_BS, [1, self.weight.shape[1] - 1])
        w_BF1, v_BFK = self._of_fields(ids_BS, values_BX, rows)
        return w_BF1.squeeze(2), v_BFK

    def beside(self, ids_BS: Tensor, values_BX: Tensor, row_BP: Tensor) -> tuple[Tensor, Tensor]:
        """The same and further rows of the table, by their numbers, BPD: gathered at once."""
        row_BS = torch.cat([ids_BS + self.offsets_S, row_BP], dim=1)
        (rows_BSD,) = self._rows(row_BS, [self.weight.shape[1]])
        own_BSD, further_BPD = torch.split(rows_BSD, [ids_BS.shape[1], row_BP.shape[1]], dim=1)
        return self._of_fields(ids_BS, values_BX, [own_BSD])[0], further_BPD

    def by_vectors(self, ids_BS: Tensor, values_BX: Tensor) -> tuple[Tensor, Tensor]:
        """Of a table of two vectors a row, w_i and v_i: <w_i, v_i> x_i BF, v_i x_i BFK."""
        w_BSK, v_BSK = self._gather(ids_BS, [self.weight.shape[1] // 2] * 2)
        dots_BS1 = dots(w_BSK, v_BSK)[..., None]
        dots_BF1, v_BFK = self._of_fields(ids_BS, values_BX, [dots_BS1, v_BSK])
        return dots_BF1.squeeze(2), v_BFK

    def _of_fields(self, ids_BS: Tensor, values_BX: Tensor, rows: list[Tensor]) -> list[Tensor]:
        """Rows of the slots, times their values, pooled to the fields'."""
        if self.value_slots_X.numel() > 0:
            x_BS = values_BX.new_ones(ids_BS.shape).index_copy(1, self.value_slots_X, values_BX)
            rows = [rows_BSD * x_BS[..., None] for rows_BSD in rows]
        return [self._pool(ids_BS, rows_BSD) for rows_BSD in rows] if self.has_bags else rows

    def _gather(self, ids_BS: Tensor, widths: list[int]) -> list[Tensor]:
        """Rows of the slots, BSW each, in pieces of so many columns W."""
        return self._rows(ids_BS + self.offsets_S, widths)

    def _rows(self, row_BS: Tensor, widths: list[int]) -> list[Tensor]:
        if self.read is not None and torch.is_grad_enabled():
            return lookup(self.weight, row_BS, self.read, widths)
        if self.before_all is not None:
            self.before_all()
        return list(torch.split(F.embedding(row_BS, self.weight), widths, dim=-1))

    def _pool(self, ids_BS: Tensor, rows_BSD: Tensor) -> Tensor:
        """The slots of each field to one row."""
        used_BS = (ids_BS != self.padding_S).to(rows_BSD.dtype)
        pool_FS = self.pool_FS.to(rows_BSD.dtype)
        with without_autocast(rows_BSD.device):
            sums_BFD = pool_FS @ (rows_BSD * used_BS[..., None])
            counts_BF = torch.where(self.is_mean_F, (used_BS @ pool_FS.T).clamp(min=1), 1)
        return sums_BFD / counts_BF[..., None]


class SomeFields(nn.Module):
    """The embeddings of some of the fields alone, from the columns of all.

    Args:
        positions: of the fields in the schema, ascending.

    Shapes: ids_BS integer, values_BX float, of all fields -> BGK, G = number of ``positions``.
    """

    slots_T: Tensor
    values_Y: Tensor

    def __init__(self, schema: Schema, positions: list[int], dim: int, std: float) -> None:
        super().__init__()
        owner, kept = schema.field_of_slot, set(positions)
        slots = [slot for slot, field in enumerate(owner) if field in kept]
        values = [x for x, slot in enumerate(schema.value_slots) if owner[slot] in kept]
        self.register_buffer("slots_T", torch.tensor(slots, dtype=torch.int64), persistent=False)
        self.register_buffer("values_Y", torch.tensor(values, dtype=torch.int64), persistent=False)
        self.embedding = Embedding(Schema(tuple(schema.fields[i] for i in positions)), dim, std)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        own_BT, own_BY = ids_BS[:, self.slots_T], values_BX[:, self.values_Y]
        v_BGK: Tensor = self.embedding(own_BT, own_BY)
        return v_BGK


def zero_bias() -> nn.Parameter:
    """The global bias w_0 of a model, zero at the start."""
    return nn.Parameter(torch.zeros(()))
