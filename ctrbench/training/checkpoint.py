"""All that a run needs to go on as if it had never stopped, and when to write it."""

import hashlib
import logging
import pickle
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ctrbench.errors import UserError
from ctrbench.files import replacing
from ctrbench.training.ema import ExponentialMovingAverage

log = logging.getLogger(__name__)
READ_BYTES = 2**20
SHARE = 0.02  # of the time, that checkpoints may take
WRONG_FILE = (  # what torch raises for one, by what its bytes happen to say
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass
class Progress:
    """Where a run stands: epoch and step to do next, its history, and its best weights.

    An epoch's permutation is a function of seed and epoch, so these two stand for it.
    """

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)  # of the steps since the last evaluation
    history: list[dict[str, Any]] = field(default_factory=list)
    best: int = -1  # index into the history
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0


def save(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    progress: Progress,
    average: ExponentialMovingAverage | None = None,
) -> None:
    """Write the whole state, and behind it a digest of its bytes, in one rename.

    Raises:
        OSError: naming the file that cannot be written.
    """
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": None if average is None else average.state_dict(),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state() if _on_gpu(model) else None,
        "progress": {**vars(progress)},
    }
    with replacing(path) as file:
        try:
            hashed: Any = _HashedFile(file)
            torch.save(state, hashed)
            file.write(hashed.hash.digest())
        except RuntimeError as error:  # in its place, of the archive that could not be closed
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load(
    path: Path,
    model: nn.Module,
    optimizer: Optimizer,
    device: torch.device,
    average: ExponentialMovingAverage | None = None,
) -> Progress:
    """Restore model, optimizer, the average of the weights and random numbers; the progress.

    Without a file, or where it is damaged, that is a fresh one, and nothing is restored.

    Raises:
        UserError: for a file that is not a checkpoint of such a run.
        OSError: for one that cannot be read, which may be whole.
        RuntimeError: from the device, as when its memory is full.
    """
    if not path.exists():
        return Progress()
    if not _is_undamaged(path):
        log.warning("%s: damaged; the run starts again from its beginning", path)
        path.unlink()
        return Progress()
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.load_state_dict(state["average"])
        torch.set_rng_state(state["rng"].cpu())
        if device.type == "cuda" and state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"].cpu())
        return Progress(**state["progress"])
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except WRONG_FILE as error:
        raise UserError(
            f"{path}: not a checkpoint of this run ({type(error).__name__}); delete it"
        ) from None


class _HashedFile:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash, self.flush = file, hashlib.sha256(), file.flush

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self.hash.update(data)
        return self.file.write(data)


def _is_undamaged(path: Path) -> bool:
    """Return whether the digest at the end of a checkpoint is that of all bytes before it."""
    hashed, left = hashlib.sha256(), path.stat().st_size - hashlib.sha256().digest_size
    with path.open("rb") as file:
        while left > 0:
            piece = file.read(min(left, READ_BYTES))
            hashed.update(piece)
            left -= len(piece)
        return file.read() == hashed.digest()


def _on_gpu(model: nn.Module) -> bool:
    return any(parameter.is_cuda for parameter in model.parameters())


class Pace:
    """When a checkpoint is worth its time: the first is, and then as many as take a share of it.

    One is due again once fifty times its length has passed, and a trainer asks after evaluations
    alone. So a kill can lose the steps between two evaluations, or, where that is longer, those of
    fifty lengths of a checkpoint and of the time to the next evaluation.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock, self.began, self.spent, self.last = clock, clock(), 0.0, 0.0

    @property
    def due(self) -> bool:
        """Whether one more, as long as the last, stays within the share."""
        return self.spent + self.last <= SHARE * (self.clock() - self.began)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Measure what is done within."""
        began = self.clock()
        yield
        self.last = self.clock() - began
        self.spent += self.last


class Interrupts:
    """Ctrl-C and SIGTERM, held back until the state is whole; a second one acts at once.

    Only the main thread of a process can hold them back.

    Attributes:
        held: the signal that came, if one did.
    """

    def __init__(self) -> None:
        self.held: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hold)
        return self

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self.held = number
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def __exit__(self, kind: object, *_: object) -> None:
        self._restore()
        if self.held is not None and kind is None:
            signal.raise_signal(self.held)
