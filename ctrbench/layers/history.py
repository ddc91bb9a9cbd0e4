"""The past of a row, rows of its user or values of a list, for a model that reads it in order."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ctrbench.data.schema import LABEL, Schema
from ctrbench.layers.embedding import Embedding

NO_CLICK, CLICK = 1, 2  # ids of past labels; of none of the two the label is not given


class HistoryBatch(NamedTuple):
    """A batch of rows and the embeddings of their histories: up to T past rows of C fields.

    Attributes:
        present_BFK: the embeddings of the row's fields.
        past_BTCK: the embeddings of the past rows, the oldest first, then 0.
        labels_BTY: indicators of a click and of no click of the past rows, both 0 where the
            label is not given; Y = 2, or 0 for a history without labels.
        used_BT: whether there is a past row.
    """

    present_BFK: Tensor
    past_BTCK: Tensor
    labels_BTY: Tensor
    used_BT: Tensor

    @property
    def inputs(self) -> Tensor:
        """Embeddings and labels of each past row, BTI, I = CK + Y."""
        return torch.cat([self.past_BTCK.flatten(start_dim=2), self.labels_BTY], dim=2)


class HistoryEmbedding(nn.Module):
    """Look up the fields of a row and of its history in one table with one gather: a value has the
    same embedding in both.

    Attributes:
        fields: F, the number of fields of the row.
        length: T.
        columns: C, the number of fields with a history.
        inputs: I, the numbers of each past row.

    Shapes: ids_BS integer, values_BX float -> :class:`HistoryBatch`.
    """

    padding_C1: Tensor
    offsets_C1: Tensor
    targets_C: Tensor

    def __init__(self, schema: Schema, dim: int, std: float) -> None:
        super().__init__()
        present, history = schema.present, schema.history
        self.fields, self.length = len(present.fields), history[0].slots
        self.own_slots = present.slots
        self.has_labels = history[-1].past == LABEL
        self.columns = len(history) - self.has_labels
        self.inputs = self.columns * dim + 2 * self.has_labels
        self.embedding = Embedding(present, dim, std)
        names = [field.name for field in present.fields]
        targets = [names.index(str(field.past)) for field in history[: self.columns]]
        offsets = [present.offsets[present.field_of_slot.index(i)] for i in targets]
        paddings = [field.padding for field in history[: self.columns]]
        for name, numbers in (("padding_C1", paddings), ("offsets_C1", offsets)):
            constant_C1 = torch.tensor(numbers, dtype=torch.int32)[:, None]
            self.register_buffer(name, constant_C1, persistent=False)
        self.register_buffer("targets_C", torch.tensor(targets), persistent=False)

    def forward(self, ids_BS: Tensor, values_BX: Tensor) -> HistoryBatch:
        own_BS, past_BP = ids_BS[:, : self.own_slots], ids_BS[:, self.own_slots :]
        columns, length = self.columns, self.length
        past_BCT = past_BP.reshape(-1, columns + self.has_labels, length)
        is_used_BCT = past_BCT[:, :columns] != self.padding_C1
        row_BCT = torch.where(is_used_BCT, past_BCT[:, :columns], 0) + self.offsets_C1
        present_BFK, past_BPK = self.embedding.fields_and_rows(
            own_BS, values_BX, row_BCT.flatten(1)
        )
        past_BCTK = past_BPK.view(*row_BCT.shape, past_BPK.shape[-1]) * is_used_BCT[..., None]
        label_BT1 = past_BCT[:, columns:].transpose(1, 2)
        labels_BTY = torch.cat([label_BT1 == CLICK, label_BT1 == NO_CLICK], dim=2)
        return HistoryBatch(
            present_BFK,
            past_BCTK.transpose(1, 2),
            labels_BTY.to(past_BPK.dtype),
            is_used_BCT.any(dim=1),
        )

    def targets(self, rows: HistoryBatch) -> Tensor:
        """Return the row's embeddings of the fields that have a history, BCK."""
        return rows.present_BFK.index_select(1, self.targets_C)
