"""Seconds of a call, the work of the device included."""

import time
from collections.abc import Callable

import torch

Work = Callable[[], object]


def measure_seconds(work: Work, device: torch.device) -> float:
    """Return the seconds of one call, until the device has finished."""
    synchronize(device)
    started = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all that it was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
