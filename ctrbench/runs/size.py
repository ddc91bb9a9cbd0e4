"""What a model asks for before it is trained: memory for its weights, rows for its batches."""

import torch
from torch import nn

from ctrbench.data.schema import Schema
from ctrbench.errors import UserError
from ctrbench.machine import available_memory
from ctrbench.models import registry as models
from ctrbench.models.settings.base import ModelSettings
from ctrbench.optim.settings import OptimizerSettings

FLOAT_BYTES = 4


def training_bytes(
    schema: Schema, model: ModelSettings, optimizer: OptimizerSettings, *, averaged: bool = False
) -> float:
    """Of weights, their gradients, the best weights so far, their moving average, and what the
    optimizer keeps, at most.

    What a batch takes on top is left out. The model is built without memory.
    """
    try:
        built = _without_memory(schema, model)
    except (RuntimeError, TypeError, ValueError) as error:
        if "overflow" not in str(error).lower():
            raise
        return float(2**63)  # a tensor whose bytes 64 bits cannot count
    weights = sum(p.numel() for p in built.parameters())
    return float(FLOAT_BYTES * weights * (3 + averaged + optimizer.states()))


def _without_memory(schema: Schema, model: ModelSettings) -> nn.Module:
    with torch.device("meta"):
        return models.build(schema, model)


def check_batch_size(schema: Schema, model: ModelSettings, batch_size: int) -> None:
    """Refuse batches of one row, of a model that normalises over a batch (batch norm, Dice).

    Raises:
        UserError: naming the model and the key.
    """
    parts = _without_memory(schema, model).modules() if batch_size == 1 else ()
    if any(isinstance(part, nn.BatchNorm1d) for part in parts):
        raise UserError(
            f"trainer.batch_size=1: model={model.name} normalises over the rows of a batch; give 2 "
            "or more"
        )


def check_size(
    schema: Schema,
    model: ModelSettings,
    optimizer: OptimizerSettings,
    device: torch.device,
    *,
    averaged: bool = False,
) -> None:
    """Refuse a model that the device has no memory for.

    Raises:
        UserError: naming what it takes and what there is.
    """
    needed = training_bytes(schema, model, optimizer, averaged=averaged)
    there = available_memory(device)
    if needed > there:
        raise UserError(
            f"model={model.name}: its weights, gradients and optimizer take {needed / 1e9:,.1f} GB "
            f"of memory, and {there / 1e9:.1f} GB are free; make it smaller (model.embedding_dim, "
            "model.hidden) or raise data.min_count"
        )
