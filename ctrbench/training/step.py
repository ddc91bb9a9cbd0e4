"""The training step of every model: the trainer, the benchmark and the tests call this one."""

from contextlib import AbstractContextManager, nullcontext
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctrbench.data.batches import Batch, Batches
from ctrbench.optim.clip import clip_norm
from ctrbench.training.activation_memory import activation_bytes_per_row
from ctrbench.training.ema import ExponentialMovingAverage
from ctrbench.training.settings import TrainerSettings

EVALUATION_ROWS = 65_535  # attention's kernels take a row as a block, of which CUDA has no more
EVALUATION_BYTES = 2**28
_ROW_BYTES: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Return the context of a forward pass in a precision: autocast for ``bf16``."""
    if precision == "bf16":
        # A CUDA graph must not reuse a cast cached outside the capture; on a CPU caching is safe.
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=device.type == "cpu")
    return nullcontext()


def logits(model: nn.Module, ids_BS: Tensor, values_BX: Tensor, precision: str) -> Tensor:
    """Return the logits B in float32 of a forward pass in a precision."""
    with autocast(ids_BS.device, precision):
        logits_B: Tensor = model(ids_BS, values_BX)
    return logits_B.float()


def evaluation_rows(model: nn.Module, ids_BS: Tensor, values_BX: Tensor) -> int:
    """Return the rows of a batch whose largest activation fits in 256 MiB, at least 256.

    Args:
        model: a model in evaluation mode; it is measured once.
        ids_BS, values_BX: any rows; only their layout matters.
    """
    if model not in _ROW_BYTES:
        _ROW_BYTES[model] = activation_bytes_per_row(model, ids_BS, values_BX)
    return max(256, min(EVALUATION_ROWS, EVALUATION_BYTES // _ROW_BYTES[model]))


class Step:
    """Train on one batch: forward pass, gradients of the mean logloss (weighted by the
    rows' weights, whose mean is 1, where there are any), update.

    Nothing in it waits for the device.

    Args:
        precision: ``fp32``, or ``bf16`` for autocast of the forward pass.
        clip_norm: maximum global norm of the gradients.
        average: a moving average of the weights, updated by every step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: str,
        *,
        clip_norm: float | None = None,
        average: ExponentialMovingAverage | None = None,
    ) -> None:
        self.model, self.optimizer, self.precision = model, optimizer, precision
        self.clip_norm, self.average = clip_norm, average

    @classmethod
    def from_settings(
        cls,
        trainer: TrainerSettings,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: str,
    ) -> "Step":
        """Return a step with the clipping and the moving average of a trainer's settings."""
        average = (
            None if trainer.ema is None else ExponentialMovingAverage(model, optimizer, trainer.ema)
        )
        return cls(model, optimizer, precision, clip_norm=trainer.clip_norm, average=average)

    def __call__(self, batch: Batch) -> Tensor:
        """Train on a batch and return its loss before the update, on the device."""
        loss = self.forward(batch)
        self.backward(loss)
        self.update()
        return loss.detach()

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss."""
        ids_BS, values_BX, labels_B, *weights = batch
        logits_B = logits(self.model, ids_BS, values_BX, self.precision)
        weights_B = weights[0] if weights else None
        return F.binary_cross_entropy_with_logits(logits_B, labels_B, weights_B)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of all weights."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]

    def update(self) -> None:
        """Clip the gradients, update the weights and their average."""
        if self.clip_norm is not None:
            clip_norm(self.optimizer, self.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()


class TrainingLoop:
    """Run the steps of an epoch eagerly, one after the other.

    Attributes:
        losses_T: losses of the epoch's steps, which stay on the device until they are read.
    """

    def __init__(self, step: Step, batches: Batches) -> None:
        self.step, self.batches, self.done = step, batches, 0
        self.losses_T = torch.zeros(batches.steps, device=batches.device)

    def begin(self, seed: int, epoch: int, first_step: int = 0) -> None:
        """Start at a step of an epoch."""
        self.epoch, self.done = self.batches.epoch(seed, epoch, first_step), first_step

    def __call__(self) -> None:
        """Run the next step of the epoch, without waiting for the device."""
        self.losses_T[self.done].copy_(self.step(next(self.epoch)))
        self.done += 1
