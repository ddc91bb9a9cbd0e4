"""All that a run needs to go on as if it had never stopped."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ctrbench.errors import UserError
from ctrbench.files import write_atomic


@dataclass
class Progress:
    """Where a run stands: epoch and step to do next, its history, and its best weights.

    An epoch's permutation is a function of seed and epoch, so these two stand for it.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: int = -1  # index into the history
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0


def save(path: Path, model: nn.Module, optimizer: Optimizer, progress: Progress) -> None:
    """Write the whole state in one rename."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "progress": {**vars(progress)},
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def load(path: Path, model: nn.Module, optimizer: Optimizer, device: torch.device) -> Progress:
    """Restore model, optimizer and random numbers; the progress, or a fresh one without a file."""
    if not path.exists():
        return Progress()
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise UserError(f"{path}: not readable ({type(error).__name__}); delete it") from None
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"].cpu())
    if torch.cuda.is_available() and state["cuda_rng"] is not None:
        torch.cuda.set_rng_state(state["cuda_rng"].cpu())
    return Progress(**state["progress"])
