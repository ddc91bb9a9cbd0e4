"""Synthetic rows for measurements.

Of two kinds: ids as real rows have them (fields of a few features to a quarter of them, ids
log-uniform), and ids spread more widely (cubed uniform), which touch more rows of a table.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctrbench.config.verb_settings import BenchSettings
from ctrbench.data.batches import Batch, Batches
from ctrbench.data.schema import Field, Schema
from ctrbench.data.settings import HistorySettings
from ctrbench.data.store.history import past_fields
from ctrbench.data.store.opened import Part

FIELDS, CROSSES = 39, 10
ROWS_AT_ONCE, SPREAD_ROWS = 1 << 17, 48 * 4_096
KINDS: dict[str, Callable[[Any, Any], Any]] = {
    "real-like": lambda u, sizes: np.expm1(u * np.log1p(sizes)),
    "spread": lambda u, sizes: u**3 * sizes,
}


class Rows:
    """Rows of both kinds that every model reads, in files as a store has them; of the spread ones
    no more than the steps need.

    Args:
        folder: for the files.
    """

    def __init__(
        self,
        own: BenchSettings,
        folder: Path,
        *,
        crossed: bool,
        history: HistorySettings,
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.schema = synthetic_schema(own.features, crossed=crossed, history=history)
        self.plain = Schema(self.schema.fields)
        counts = {"real-like": own.rows, "spread": min(own.rows, SPREAD_ROWS)}
        self.parts = {k: synthetic_part(self.schema, n, k, folder) for k, n in counts.items()}
        self.device, self.wanted = device, batch_size
        self.batches = {kind: self.taken(part) for kind, part in self.parts.items()}
        self.without = self.batches
        if crossed:
            self.without = {k: self.taken(_without_crosses(p)) for k, p in self.parts.items()}

    def taken(self, part: Part, place: str = "device") -> Batches:
        """Return batches of some rows, held in a place."""
        return Batches(part, self.wanted, self.device, place)

    @property
    def batch_size(self) -> int:
        """Rows of a batch: at most as many as were asked for."""
        return self.batches["real-like"].batch_size

    def feeds(self, seed: int, *, crossed: bool) -> dict[str, Iterator[Batch]]:
        """Return endless batches of each kind."""
        batches = self.batches if crossed else self.without
        return {kind: endless_batches(own, seed) for kind, own in batches.items()}


def _without_crosses(part: Part) -> Part:
    return replace(part, crosses_NC=np.empty((len(part.labels_N), 0), np.int32))


def endless_batches(batches: Batches, seed: int) -> Iterator[Batch]:
    """Yield the batches of successive epochs."""
    for epoch in count():
        yield from batches.epoch(seed, epoch)


def synthetic_schema(
    features: int, *, crossed: bool, history: HistorySettings | None = None
) -> Schema:
    """Return a schema with fields of 2 features to a quarter of all, by equal ratios; crosses as
    large as a field; the past of as many of the largest fields as a history has."""
    low, high = 2.0, float(features)
    for _ in range(60):  # bisection on the largest field
        middle = (low * high) ** 0.5
        too_many = np.geomspace(2, middle, FIELDS).sum() > features
        low, high = (low, middle) if too_many else (middle, high)
    sizes = np.geomspace(2, low, FIELDS).astype(int)
    sizes[-1] += features - sizes.sum()
    fields = tuple(Field(f"f{i}", "vocabulary", int(size)) for i, size in enumerate(sizes))
    crosses = tuple(Field(f"x{i}", "vocabulary", features // FIELDS) for i in range(CROSSES))
    if history:
        past = replace(history, of=[field.name for field in fields[-len(history.of) :]])
        fields += past_fields(past, fields)
    return Schema(fields, crosses if crossed else ())


def synthetic_part(schema: Schema, rows: int, kind: str, folder: Path) -> Part:
    """Return random rows of a kind, in files of a folder; a quarter of them are clicks."""
    rng = np.random.default_rng(0)
    arrays: list[Any] = []
    for fields in (schema.fields, schema.crosses):
        sizes = np.array([field.size for field in fields for _ in range(field.slots)])
        path = folder / f"{kind}-{len(arrays)}.npy"
        ids_NS = np.lib.format.open_memmap(path, "w+", np.int32, (rows, len(sizes)))
        for start in range(0, rows if len(sizes) else 0, ROWS_AT_ONCE):
            piece = ids_NS[start : start + ROWS_AT_ONCE]
            piece[:] = KINDS[kind](rng.random(piece.shape), sizes)
        arrays.append(ids_NS)
    labels_N = (rng.random(rows) < 0.25).astype(np.uint8)
    return Part(arrays[0], arrays[1], labels_N, np.empty((rows, 0), np.float32), None)
