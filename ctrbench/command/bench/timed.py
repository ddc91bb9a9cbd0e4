"""Seconds of things that are measured in turn, a value of each for every round."""

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from ctrbench.command.bench.limits import large_copy, seconds, square_product


class Timed:
    """Seconds of each figure, a value for every round."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.times: dict[str, list[float]] = defaultdict(list)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """What the work gives; its seconds are kept."""
        found: list[Any] = []
        self.times[name].append(seconds(lambda: found.append(work()), self.device))
        return found[0]

    def middle(self, name: str) -> float:
        """The median."""
        return statistics.median(self.times[name])

    def spreads(self) -> dict[str, dict[str, float]]:
        """Of every figure the quartiles and the least."""
        return {name: spread(taken) for name, taken in self.times.items()}


class Machine(Timed):
    """What the machine does by itself: a large product, a large copy."""

    def __init__(self, device: torch.device, precision: str) -> None:
        super().__init__(device)
        self.square, self.operations = square_product(device, precision)
        self.copy, self.copied = large_copy(device)

    def round(self) -> None:
        """Each once."""
        self.timed("square", self.square)
        self.timed("copy", self.copy)

    def figures(self) -> dict[str, float]:
        """Rates."""
        return {
            "square_flops": self.operations / self.middle("square"),
            "copy_bytes_per_second": self.copied / self.middle("copy"),
        }


def paired(these: list[float], those: list[float]) -> dict[str, float]:
    """The quartiles of the ratios of what was measured in the same rounds."""
    return spread([a / b for a, b in zip(these, those, strict=True)])


def spread(taken: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(taken, n=4, method="inclusive")
    return {"median": middle, "quarter": low, "three_quarters": high, "least": min(taken)}
