"""A prepared data set on disk: ids, labels, values and true probabilities of each part.

``store.json`` names the fields, the rows, and the SHA-256 of every file beside it and of itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.encode import RowEncoder, load
from ctrbench.data.store.manifest import read_manifest

VOCABULARIES = "vocabulary"  # the folder of what its encoder was fitted to


@dataclass(frozen=True)
class Part:
    """The rows of one part, memory-mapped.

    Attributes:
        ids_NS: int32, local to each field.
        crosses_NC: int32, local to each cross; no columns where no crosses were asked for.
        labels_N: uint8.
        values_NX: float32, of the fields encoded as a value.
        truth_N: float64 true click probabilities, where the source knows them.
    """

    ids_NS: npt.NDArray[np.int32]
    crosses_NC: npt.NDArray[np.int32]
    labels_N: npt.NDArray[np.uint8]
    values_NX: npt.NDArray[np.float32]
    truth_N: npt.NDArray[np.float64] | None

    @property
    def bytes(self) -> int:
        """Of what a model reads."""
        return self.ids_NS.nbytes + self.crosses_NC.nbytes + self.values_NX.nbytes


class Store:
    """An opened store.

    Args:
        crosses: folder of the crosses made of its fields (see :mod:`ctrbench.data.store.crosses`).

    Raises:
        UserError: if a file is missing or its bytes are not those that were written.
    """

    def __init__(self, folder: Path, crosses: Path | None = None) -> None:
        self.folder, self.crosses = folder, crosses
        self.manifest = read_manifest(folder)
        self.schema = Schema.from_json(self.manifest["fields"])
        if crosses is not None:
            made = Schema.from_json(read_manifest(crosses)["fields"])
            self.schema = Schema(self.schema.fields, made.fields)

    def part(self, name: str) -> Part:
        """``train``, ``valid`` or ``test``."""

        def load(what: str, folder: Path = self.folder) -> Any:
            return np.load(folder / f"{name}.{what}.npy", mmap_mode="r")

        labels_N = load("labels")
        none = np.empty((len(labels_N), 0), np.int32)
        crosses_NC = none if self.crosses is None else load("ids", self.crosses)
        known = f"{name}.truth.npy" in self.manifest["files"]
        truth_N = load("truth") if known else None
        return Part(load("ids"), crosses_NC, labels_N, load("values"), truth_N)

    def encoder(self) -> RowEncoder:
        """What made the ids and values of the store of raw rows."""
        return read_encoder(self.folder, self.schema.fields)

    def summary(self) -> dict[str, Any]:
        """What a result says of its data."""
        return {
            "rows": {name: part["rows"] for name, part in self.manifest["parts"].items()},
            "fields": len(self.schema.fields),
            "features": self.schema.features,
            "content": self.manifest["key"],
        }


def read_encoder(folder: Path, fields: Sequence[Field]) -> RowEncoder:
    """The encoder of some fields, from the vocabularies in a folder.

    Each file there holds some of the fitted columns, each as one list by the column's name.
    """
    states: dict[str, pl.Series] = {}
    for path in sorted((folder / VOCABULARIES).glob("*.parquet")):
        states |= {column.name: column[0] for column in pl.read_parquet(path)}
    return RowEncoder([load(field, states[field.name]) for field in fields])
