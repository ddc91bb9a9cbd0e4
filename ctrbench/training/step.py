"""The training step of every model: the trainer, the benchmark and the tests call this one."""

from contextlib import AbstractContextManager, nullcontext
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.batches import Batch
from ctrbench.optim.clip import clip_norm
from ctrbench.training.average import Average
from ctrbench.training.settings import TrainerSettings
from ctrbench.training.widest import widest_row

EVALUATION_ROWS = 65_535  # attention's kernels take a row as a block, of which CUDA has no more
EVALUATION_BYTES = 2**28
_ROW_BYTES: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """What a forward pass runs under: nothing for ``fp32``."""
    if precision == "bf16":
        # A CUDA graph must not reuse a cast cached outside the capture; on a CPU caching is safe.
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=device.type == "cpu")
    return nullcontext()


def logits(model: nn.Module, ids_BS: Tensor, values_BX: Tensor, precision: str) -> Tensor:
    """Logits B in float32, of a forward pass in the precision."""
    with autocast(ids_BS.device, precision):
        logits_B: Tensor = model(ids_BS, values_BX)
    return logits_B.float()


def evaluation_rows(model: nn.Module, ids_BS: Tensor, values_BX: Tensor) -> int:
    """Rows per evaluation batch, so that the widest activation fits in 256 MiB; 256 at least.

    Args:
        model: in evaluation mode. It is measured once.
        ids_BS, values_BX: any rows, of which only the layout counts.
    """
    if model not in _ROW_BYTES:
        _ROW_BYTES[model] = widest_row(model, ids_BS, values_BX)
    return max(256, min(EVALUATION_ROWS, EVALUATION_BYTES // _ROW_BYTES[model]))


class Step:
    """Forward pass, gradients of the mean log-loss, update. Nothing in it waits for the device.

    Args:
        precision: ``fp32``, or ``bf16`` for autocast of the forward pass.
        clip_norm: maximum global norm of the gradients.
        average: of the weights, updated by every step.
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
        """With the clipping and the average that a trainer's settings ask for."""
        average = None if trainer.ema is None else Average(model, optimizer, trainer.ema)
        return cls(model, optimizer, precision, clip_norm=trainer.clip_norm, average=average)

    def __call__(self, batch: Batch) -> Tensor:
        """Train on a batch. Returns its loss before the update, on its device."""
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
        """Clip the gradients, update the weights and their average."""
        if self.clip_norm is not None:
            clip_norm(self.optimizer, self.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
