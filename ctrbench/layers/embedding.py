"""The one embedding layer: a table over the features of all fields, gathered once."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.schema import Schema
from ctrbench.layers.fused import RowSum, row_sum
from ctrbench.layers.lookup import RowReader, lookup
from ctrbench.layers.precision import dots, without_autocast


class Embedding(nn.Module):
    """Look up x_i v_i for every field of a batch: the value times the table row of its feature.

    A multi-valued field gives the mean or the sum of its rows, 0 where it has no value. For all
    fields but numeric ones with encoding ``value`` or ``unscaled`` x_i is 1.

    Args:
        schema: the fields; feature ids are local to a field, the layer adds the field's offset.
        dim: columns of the table that start as N(0, std^2).
        std: their standard deviation.
        first_order: one more column, the first: the weight w, zero at the start.

    Shapes: ids_BS integer, values_BX float (X may be 0) -> BFD, D = dim + first_order.

    Attributes:
        reader: how training reads rows, set by the optimizer. With a reader the table's gradient
            is sparse, without one it is dense.
    """

    reader: RowReader | None = None
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
        self.fields = fields = schema.fields
        self.has_bags = any(field.padding >= 0 for field in fields)
        owner_S = torch.tensor(schema.field_of_slot)
        constants = {
            "offsets_S": torch.tensor(schema.offsets, dtype=torch.int32),
            "value_slots_X": torch.tensor(schema.value_slots, dtype=torch.int64),
            "padding_S": torch.tensor([fields[i].padding for i in schema.field_of_slot]),
            "pool_FS": (torch.arange(len(fields))[:, None] == owner_S).float(),
            "is_mean_F": torch.tensor([f.encoding in ("mean", "sequence") for f in fields]),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        rows = self._gather(ids_BS, [self.weight.shape[1]])
        return self._by_field(ids_BS, values_BX, rows)[0]

    def first_order_and_factors(self, ids_BS: Tensor, values_BX: Tensor) -> tuple[Tensor, Tensor]:
        """Return w_i x_i (BF) and v_i x_i (BFK) of a table with a first-order column.

        Two gathers are faster than one gather that is split.
        """
        rows = self._gather(ids_BS, [1, self.weight.shape[1] - 1])
        w_BF1, v_BFK = self._by_field(ids_BS, values_BX, rows)
        return w_BF1.squeeze(2), v_BFK

    def row_sum(self, model: RowSum, ids_BS: Tensor, values_BX: Tensor) -> Tensor | None:
        """Return the logits B of a model that is a sum over rows; None where no compiled loop
        serves: without a reader, without gradients, with fields of several values."""
        if self.reader is None or not torch.is_grad_enabled() or self.has_bags:
            return None
        x_BS = self.weight.new_empty(0, ids_BS.shape[1])  # all 1
        if self.value_slots_X.numel() > 0:
            x_BS = self._values_of_slots(ids_BS, values_BX)
        row_BS = ids_BS + self.offsets_S
        return row_sum(model, self.weight, row_BS, x_BS, self.reader)

    def _values_of_slots(self, ids_BS: Tensor, values_BX: Tensor) -> Tensor:
        return values_BX.new_ones(ids_BS.shape).index_copy(1, self.value_slots_X, values_BX)

    def fields_and_rows(
        self, ids_BS: Tensor, values_BX: Tensor, row_BP: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the fields (BFD) and further rows of the table (BPD) from one gather."""
        row_BS = torch.cat([ids_BS + self.offsets_S, row_BP], dim=1)
        (rows_BSD,) = self._rows(row_BS, [self.weight.shape[1]])
        slots_BSD, further_BPD = torch.split(rows_BSD, [ids_BS.shape[1], row_BP.shape[1]], dim=1)
        return self._by_field(ids_BS, values_BX, [slots_BSD])[0], further_BPD

    def linear_and_factors(self, ids_BS: Tensor, values_BX: Tensor) -> tuple[Tensor, Tensor]:
        """Return <w_i, v_i> x_i (BF) and v_i x_i (BFK) of a table with two vectors a row."""
        w_BSK, v_BSK = self._gather(ids_BS, [self.weight.shape[1] // 2] * 2)
        dots_BS1 = dots(w_BSK, v_BSK)[..., None]
        dots_BF1, v_BFK = self._by_field(ids_BS, values_BX, [dots_BS1, v_BSK])
        return dots_BF1.squeeze(2), v_BFK

    def _by_field(self, ids_BS: Tensor, values_BX: Tensor, rows: list[Tensor]) -> list[Tensor]:
        """Multiply the rows of the slots by their values and pool them by field."""
        if self.value_slots_X.numel() > 0:
            x_BS = self._values_of_slots(ids_BS, values_BX)
            rows = [rows_BSD * x_BS[..., None] for rows_BSD in rows]
        return [self._pool(ids_BS, rows_BSD) for rows_BSD in rows] if self.has_bags else rows

    def _gather(self, ids_BS: Tensor, widths: list[int]) -> list[Tensor]:
        """Return the rows of the slots, split into column blocks of the given widths: BSW each."""
        return self._rows(ids_BS + self.offsets_S, widths)

    def _rows(self, row_BS: Tensor, widths: list[int]) -> list[Tensor]:
        if self.reader is not None:
            if torch.is_grad_enabled():
                return lookup(self.weight, row_BS, self.reader, widths)
            self.reader.before_full_read()
        return list(torch.split(F.embedding(row_BS, self.weight), widths, dim=-1))

    def _pool(self, ids_BS: Tensor, rows_BSD: Tensor) -> Tensor:
        """Pool the slots of each field."""
        used_BS = (ids_BS != self.padding_S).to(rows_BSD.dtype)
        pool_FS = self.pool_FS.to(rows_BSD.dtype)
        with without_autocast(rows_BSD.device):
            sums_BFD = pool_FS @ (rows_BSD * used_BS[..., None])
            counts_BF = torch.where(self.is_mean_F, (used_BS @ pool_FS.T).clamp(min=1), 1)
        return sums_BFD / counts_BF[..., None]


class SomeFields(nn.Module):
    """Look up the embeddings of some of the fields, given the columns of all.

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
    """Return the global bias w_0 of a model, which starts at zero."""
    return nn.Parameter(torch.zeros(()))
