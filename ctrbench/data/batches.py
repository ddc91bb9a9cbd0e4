"""A part of a store on the device, and batches of it by index."""

import torch
from torch import Tensor

from ctrbench.data.store import Part

MASK = 2**63 - 1


class Batches:
    """All rows of a part on the device, the ids of crosses after those of the fields.

    A batch is one gather by a slice of a permutation.

    Every batch has the same shape: the last of an epoch is filled up from the permutation's start.
    """

    def __init__(self, part: Part, batch_size: int, device: torch.device) -> None:
        self.ids_NS = torch.tensor(part.ids_NS, device=device)
        if part.crosses_NC.shape[1] > 0:
            crosses_NC = torch.tensor(part.crosses_NC, device=device)
            self.ids_NS = torch.cat([self.ids_NS, crosses_NC], dim=1)
        self.values_NX = torch.tensor(part.values_NX, device=device)
        self.labels_N = torch.tensor(part.labels_N, dtype=torch.float32, device=device)
        self.rows = len(self.labels_N)
        self.batch_size = min(batch_size, self.rows)

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-self.rows // self.batch_size)

    def permutation(self, seed: int, epoch: int) -> Tensor:
        """The order of an epoch's rows, drawn on the device from the seed and the epoch alone: a
        resumed run draws the same one again."""
        generator = torch.Generator(self.ids_NS.device)
        generator.manual_seed((seed * 1_000_003 + epoch) & MASK)
        order_N = torch.randperm(self.rows, generator=generator, device=self.ids_NS.device)
        return torch.cat([order_N, order_N[: self.steps * self.batch_size - self.rows]])

    def batch(self, order: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ids BF, values BX and labels B of batch ``step`` of an epoch's order."""
        rows_B = order[step * self.batch_size : (step + 1) * self.batch_size]
        ids_BS = self.ids_NS.index_select(0, rows_B)
        values_BX = self.values_NX.index_select(0, rows_B)
        return ids_BS, values_BX, self.labels_N.index_select(0, rows_B)
