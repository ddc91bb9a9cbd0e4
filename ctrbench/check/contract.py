"""What every model must do, whatever its formula: ``ctrbench check`` and the tests call the same.

A check returns what is worth saying of a model that passes, mostly nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ctrbench.config.settings import RunSettings
from ctrbench.data.batches import Batch
from ctrbench.data.schema import Schema
from ctrbench.models import registry as models
from ctrbench.models.base import Model
from ctrbench.optim import registry as optimizers
from ctrbench.optim.sparse_rows import cpu_embeddings
from ctrbench.runs.export import export_program
from ctrbench.training.step import Step, logits

TOLERANCE = 1e-4  # of fp32 sums in another order, relative to the largest logit
BF16_TOLERANCE = 0.08  # of products of 8 bits, relative to the largest logit
STEPS = 5
WEIGHT_STD = 0.5  # of weights that let every part of a model show


class CheckError(Exception):
    """A requirement that a model does not meet."""


@dataclass(frozen=True)
class Subject:
    """The model to check, and rows for it.

    Attributes:
        batch: some labelled rows of the schema.
    """

    settings: RunSettings
    schema: Schema
    batch: Batch

    def build(self) -> Model:
        """Return the model with its initial weights, the same at every call."""
        torch.manual_seed(0)
        return models.build(self.schema, self.settings.model)

    def with_random_weights(self) -> Model:
        """Return the model in evaluation mode, with random weights everywhere."""
        model = self.build()
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=WEIGHT_STD)
        return model.eval()

    @torch.no_grad()
    def logits(self, model: Model, rows: Any = slice(None), precision: str = "fp32") -> Tensor:
        """Return the logits of some rows of the batch."""
        ids_BS, values_BX, _ = self.batch
        return logits(model, ids_BS[rows], values_BX[rows], precision)


def check_shapes(subject: Subject) -> str:
    """Require one finite logit in float32 for each row."""
    ids_BS, values_BX, _ = subject.batch
    with torch.no_grad():
        logits_B = subject.with_random_weights()(ids_BS, values_BX)
    if logits_B.shape != (len(ids_BS),) or logits_B.dtype != torch.float32:
        raise CheckError(
            f"{len(ids_BS)} rows give {list(logits_B.shape)} of {logits_B.dtype}, not "
            f"[{len(ids_BS)}] of torch.float32"
        )
    if not logits_B.isfinite().all():
        raise CheckError("a logit is not finite")
    return ""


def check_gradients(subject: Subject) -> str:
    """Require that training reaches every parameter.

    A gate that begins closed may have no gradient at first: its parameters are asked again with
    random weights, and named.
    """
    late = _untrained(subject, subject.build())
    if never := late & _untrained(subject, subject.with_random_weights()):
        raise CheckError(f"no gradient reaches {', '.join(sorted(never))}")
    return f"not from the initial weights: {', '.join(sorted(late))}" if late else ""


def _untrained(subject: Subject, model: Model) -> set[str]:
    """Return the parameters whose gradient is zero or absent in every one of some steps."""
    step = Step(model.train(), torch.optim.Adam(model.parameters(), 0.01), "fp32")
    trained = set()
    for _ in range(STEPS):
        step(subject.batch)
        trained |= {k for k, w in model.named_parameters() if w.grad is not None and w.grad.any()}
    return {name for name, _ in model.named_parameters()} - trained


def check_seed(subject: Subject) -> str:
    """Require that the seed gives the bytes of the initial weights."""
    first, second = subject.build().state_dict(), subject.build().state_dict()
    for name, weight in first.items():
        if not torch.equal(weight, second[name]):
            raise CheckError(f"the same seed gives other weights of {name}; draw them from torch")
    return ""


def check_order(subject: Subject) -> str:
    """Require that a prediction depends on its own row alone."""
    model = subject.with_random_weights()
    whole = subject.logits(model)
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))
    half = len(whole) // 2
    halves = torch.cat([subject.logits(model, rows) for rows in (slice(half), slice(half, None))])
    for what, other, expected in (
        ("in another order", subject.logits(model, order), whole[order]),
        ("in two batches", halves, whole),
    ):
        if (error := _distance(other, expected)) > TOLERANCE:
            raise CheckError(
                f"the same rows {what} have other logits, by {error:.1g} of the largest"
            )
    return ""


def _distance(these: Tensor, those: Tensor) -> float:
    """Return the largest difference, relative to the largest value."""
    these, those = these.detach(), those.detach()
    return float((these - those).abs().max() / those.abs().max().clamp(min=1e-12))


def check_rows(subject: Subject) -> str:
    """Require predictions of any number of rows."""
    model = subject.with_random_weights()
    for rows in (0, 1, 2, 3):
        if (shape := subject.logits(model, slice(rows)).shape) != (rows,):
            raise CheckError(f"{rows} rows give the shape {list(shape)}")
    return ""


def check_bf16(subject: Subject) -> str:
    """Require that predictions in bf16 are near those in fp32."""
    model = subject.with_random_weights()
    narrow = subject.logits(model, precision="bf16")
    if (error := _distance(narrow, subject.logits(model))) > BF16_TOLERANCE:
        raise CheckError(f"logits in bf16 differ from fp32 by {error:.1g} of the largest")
    return ""


def check_no_wait(subject: Subject) -> str:
    """Require a training step that reads no value on the host: whatever needs one, or whose shape
    does, fails on tensors without values."""
    ids_BS, values_BX, _ = subject.batch
    with FakeTensorMode():
        model = subject.build().train()
        optimizer = optimizers.build(model, subject.settings.optimizer)
        for embedding in cpu_embeddings(model):
            embedding.reader = None  # dense gradients, as on a GPU
        ids = torch.zeros(8, ids_BS.shape[1], dtype=torch.int32)
        Step(model, optimizer, "fp32")((ids, torch.zeros(8, values_BX.shape[1]), torch.zeros(8)))
    return ""


def check_export(subject: Subject) -> str:
    """Require that the exported program gives the model's logits, of any number of rows."""
    model = subject.with_random_weights()
    ids_BS, values_BX, _ = subject.batch
    program: Any = export_program(model, ids_BS[:4], values_BX[:4]).module()
    for rows in (1, 3, len(ids_BS)):
        exported = program(ids_BS[:rows], values_BX[:rows])
        if (error := _distance(exported, subject.logits(model, slice(rows)))) > TOLERANCE:
            raise CheckError(f"the program's logits differ by {error:.1g} of the largest")
    return ""


CHECKS: dict[str, Callable[[Subject], str]] = {
    "shapes": check_shapes,
    "gradients": check_gradients,
    "seed": check_seed,
    "order": check_order,
    "rows": check_rows,
    "bf16": check_bf16,
    "no wait": check_no_wait,
    "export": check_export,
}
