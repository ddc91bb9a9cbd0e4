"""A prepared data set on disk: ids, labels, values and true probabilities of each split.

``store.json`` names the fields, the rows, and the SHA-256 of every file beside it and of itself.
The encoder of raw rows can be kept apart from the rows (:meth:`Encoding.keep`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.schema import Field, Schema
from ctrbench.data.store.encode import RowEncoder, restore
from ctrbench.data.store.manifest import FORMAT, read_manifest, write_manifest
from ctrbench.errors import UserError
from ctrbench.files import link_or_copy

CROSSES = "crosses"
VOCABULARIES = "vocabulary"  # the folder of what its encoder was fitted to
SPLIT_OF_ROWS = "split.npy"  # the split of every row, where no formula has it


@dataclass(frozen=True)
class Part:
    """The rows of one split, memory-mapped.

    Attributes:
        ids_NS: int32, local to each field.
        crosses_NC: int32, local to each cross; no columns where no crosses were asked for.
        labels_N: uint8.
        values_NX: float32, of the fields encoded as a value.
        truth_N: float64 logits of the true click probabilities, where the source knows them.
        groups_N: int32 codes of what ``data.group`` names, -1 without a value; of validation and
            test rows.
        weights_N: float32, of the rows' weights; None where all count the same.
        negative_rate: the share of the rows without a click that were kept; None: all.
        history_NP: int16 or int32, the slots of the history's fields, local to each; None where
            none is declared.
    """

    ids_NS: npt.NDArray[np.int32]
    crosses_NC: npt.NDArray[np.int32]
    labels_N: npt.NDArray[np.uint8]
    values_NX: npt.NDArray[np.float32]
    truth_N: npt.NDArray[np.float64] | None
    groups_N: npt.NDArray[np.int32] | None = None
    history_NP: npt.NDArray[Any] | None = None
    weights_N: npt.NDArray[np.float32] | None = None
    negative_rate: float | None = None

    @property
    def ids(self) -> list[npt.NDArray[Any]]:
        """The ids that a model reads: of the fields, the history and the crosses, in this order."""
        arrays = (self.ids_NS, self.history_NP, self.crosses_NC)
        return [array for array in arrays if array is not None and array.shape[1]]

    @property
    def bytes(self) -> int:
        """Memory of what a model reads: ids in one array of their widest type, values, and
        labels (and weights) as float32."""
        cells = sum(array.size for array in self.ids)
        ids = cells * int(np.result_type(*self.ids).itemsize)
        targets = 1 if self.weights_N is None else 2
        return ids + self.values_NX.nbytes + 4 * targets * len(self.labels_N)

    def slots(self, of: slice) -> npt.NDArray[Any]:
        """Return the ids of some slots of one field."""
        fields = self.ids_NS.shape[1]
        if self.history_NP is None or of.start < fields:
            return self.ids_NS[:, of]
        return self.history_NP[:, of.start - fields : of.stop - fields]


class Encoding:
    """The fields of a store, the crosses made of them, and what encodes raw rows.

    Args:
        crosses: folder of the crosses made of its fields (see :mod:`ctrbench.data.store.crosses`).
        every_byte: see :func:`ctrbench.data.store.manifest.read_manifest`.
    """

    def __init__(
        self, folder: Path, crosses: Path | None = None, *, every_byte: bool = False
    ) -> None:
        self.folder, self.crosses = folder, crosses
        self.manifest = read_manifest(folder, every_byte=every_byte)
        self.schema = Schema.from_json(self.manifest["fields"])
        if crosses is not None:
            cross_schema = Schema.from_json(read_manifest(crosses, every_byte=every_byte)["fields"])
            self.schema = Schema(self.schema.fields, cross_schema.fields)

    def encoder(self) -> RowEncoder:
        """Return the encoder that turned the raw rows into this store's ids and values."""
        return read_encoder(self.folder, self.schema.present.fields)

    def keep(self, folder: Path) -> None:
        """Write the encoding to a folder of its own, which :meth:`kept` opens without the store."""
        _keep(self.folder, folder, unknown=self.manifest["unknown"])
        if self.crosses is not None:
            _keep(self.crosses, folder / CROSSES)

    @classmethod
    def kept(cls, folder: Path) -> "Encoding":
        """Open what :meth:`keep` wrote, and check every byte."""
        crosses = folder / CROSSES
        encoding = cls(folder, crosses if crosses.exists() else None, every_byte=True)
        if encoding.manifest.get("format") != FORMAT:
            raise UserError(f"{folder}: of another version of ctrbench")
        return encoding


class Store(Encoding):
    """An opened store: the encoding of its rows, and the rows."""

    def verify(self) -> None:
        """Check every byte."""
        Store(self.folder, self.crosses, every_byte=True)

    def part(self, name: str) -> Part:
        """Return the rows of a split: ``train``, ``valid`` or ``test``."""
        part = load_part(self.folder, name, set(self.manifest["files"]), self.crosses)
        return replace(part, negative_rate=self.manifest["settings"].get("negative_rate"))

    def summary(self) -> dict[str, Any]:
        """Return the description of the data for ``result.json``."""
        return {
            "rows": {name: part["rows"] for name, part in self.manifest["parts"].items()},
            "fields": len(self.schema.fields),
            "features": self.schema.features,
            "content": self.manifest["key"],
            "test_labels_sha256": hashlib.sha256(self.part("test").labels_N.tobytes()).hexdigest(),
        }


def load_part(folder: Path, name: str, files: set[str], crosses: Path | None = None) -> Part:
    """Open the arrays of a split in the folder of a store.

    Args:
        files: the names of the files of that folder.
    """

    def load(what: str, folder: Path = folder) -> Any:
        return np.load(folder / f"{name}.{what}.npy", mmap_mode="c")

    labels_N = load("labels")
    no_crosses = np.empty((len(labels_N), 0), np.int32)
    crosses_NC = no_crosses if crosses is None else load("ids", crosses)
    others = (
        load(what) if f"{name}.{what}.npy" in files else None
        for what in ("truth", "groups", "history", "weights")
    )
    return Part(load("ids"), crosses_NC, labels_N, load("values"), *others)


def read_encoder(folder: Path, fields: Sequence[Field]) -> RowEncoder:
    """Read the encoder of some fields from the vocabularies in a folder.

    Each file there holds some of the fitted columns, each as one list by the column's name.
    """
    states: dict[str, pl.Series] = {}
    for path in sorted((folder / VOCABULARIES).glob("*.parquet")):
        states |= {column.name: column[0] for column in pl.read_parquet(path)}
    return RowEncoder([restore(field, states[field.name]) for field in fields])


def encoder_files(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the files, with digests, that encode raw rows: of a store or of crosses."""
    return {name: sha for name, sha in manifest["files"].items() if name.endswith(".parquet")}


def _keep(folder: Path, to: Path, **more: Any) -> None:
    manifest = read_manifest(folder)
    files = encoder_files(manifest)
    for name in files:
        link_or_copy(folder / name, to / name)
    write_manifest(to, {"format": FORMAT, "fields": manifest["fields"], "files": files} | more)
