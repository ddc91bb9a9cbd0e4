"""Seconds of work that is measured in turn, one value for every round."""

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from ctrbench.bench.limits import large_copy, square_product
from ctrbench.timing import measure_seconds


class Timings:
    """Seconds of each figure, a value for every round."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.times: dict[str, list[float]] = defaultdict(list)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work, keep its seconds and return its result."""
        found: list[Any] = []
        self.times[name].append(measure_seconds(lambda: found.append(work()), self.device))
        return found[0]

    def middle(self, name: str) -> float:
        """Return the median."""
        return statistics.median(self.times[name])

    def spreads(self) -> dict[str, dict[str, float]]:
        """Return the quartiles and the minimum of every figure."""
        return {name: quartiles(taken) for name, taken in self.times.items()}


class Machine(Timings):
    """The speed of the machine itself: a large product, a large copy."""

    def __init__(self, device: torch.device, precision: str) -> None:
        super().__init__(device)
        self.square, self.operations = square_product(device, precision)
        self.copy, self.copied = large_copy(device)

    def round(self) -> None:
        """Measure each once."""
        self.timed("square", self.square)
        self.timed("copy", self.copy)

    def figures(self) -> dict[str, float]:
        """Return the rates."""
        return {
            "square_flops": self.operations / self.middle("square"),
            "copy_bytes_per_second": self.copied / self.middle("copy"),
        }


def ratio_quartiles(these: list[float], those: list[float]) -> dict[str, float]:
    """Return the quartiles of the ratios of values measured in the same rounds."""
    return quartiles([a / b for a, b in zip(these, those, strict=True)])


def quartiles(taken: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(taken, n=4, method="inclusive")
    return {"median": middle, "quarter": low, "three_quarters": high, "least": min(taken)}
