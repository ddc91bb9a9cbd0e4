"""The training step of every model: the trainer, the benchmark and the tests call this one."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.batches import Batch
from ctrbench.optim.clip import clip_norm
from ctrbench.optim.registry import split_parameters
from ctrbench.training.average import Average
from ctrbench.training.settings import TrainerSettings

EVALUATION_ROWS = 65_535  # attention's kernels take a row as a block, of which CUDA has no more
EVALUATION_BYTES = 2**28


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """What a forward pass runs under: nothing for ``fp32``."""
    if precision == "bf16":
        # A graph may hold no cast that was made outside of it; on a CPU a cast is kept.
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=device.type == "cpu")
    return nullcontext()


def logits(model: nn.Module, ids_BS: Tensor, values_BX: Tensor, precision: str) -> Tensor:
    """Logits B in float32, of a forward pass in the precision."""
    with autocast(ids_BS.device, precision):
        logits_B: Tensor = model(ids_BS, values_BX)
    return logits_B.float()


def evaluation_rows(model: nn.Module, slots: int) -> int:
    """Rows that are scored at once: so many that what is widest of them fits into 256 MB: the rows
    of their embeddings, or what a layer says that it makes (``row_floats``).

    Args:
        slots: columns of ids.
    """
    tables, _ = split_parameters(model)
    gathered = slots * sum(table.shape[1] for table in tables)
    widest = max(getattr(module, "row_floats", 1) for module in model.modules())
    return max(256, min(EVALUATION_ROWS, EVALUATION_BYTES // (4 * max(gathered, widest))))


class Step:
    """Forward pass, gradients of the mean log-loss, update. Nothing in it waits for the device.

    Args:
        precision: ``fp32``, or ``bf16`` for autocast of the forward pass.
        clip_norm: the most that the norm of all gradients may be.
        average: of the weights, which takes in those of each step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: str,
        *,
        clip_norm: float | None = None,
        average: Average | None = None,
    ) -> None:
        self.model, self.optimizer, self.precision = model, optimizer, precision
        self.clip_norm, self.average = clip_norm, average

    @classmethod
    def of(
        cls,
        trainer: TrainerSettings,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: str,
    ) -> "Step":
        """With what a trainer does in every step."""
        average = None if trainer.ema is None else Average(model, optimizer, trainer.ema)
        return cls(model, optimizer, precision, clip_norm=trainer.clip_norm, average=average)

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of a batch, on its device; the weights are updated then."""
        loss = self.forward(batch)
        self.backward(loss)
        self.update()
        return loss.detach()

    def forward(self, batch: Batch) -> Tensor:
        """The loss, to be differentiated."""
        ids_BS, values_BX, labels_B = batch
        logits_B = logits(self.model, ids_BS, values_BX, self.precision)
        return F.binary_cross_entropy_with_logits(logits_B, labels_B)

    def backward(self, loss: Tensor) -> None:
        """The gradients of all weights."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]

    def update(self) -> None:
        """New weights by their gradients."""
        if self.clip_norm is not None:
            clip_norm(self.optimizer, self.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
