"""A prepared data set on disk: ids, labels, values and true probabilities of each part.

``store.json`` names the fields, the rows, and the SHA-256 of every file beside it and of itself.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import polars as pl

from ctrbench.data.encode import RowEncoder, load
from ctrbench.data.schema import Field, Schema
from ctrbench.errors import UserError

MANIFEST = "store.json"


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
        crosses: folder of the crosses made of its fields (see :mod:`ctrbench.data.crosses`).

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


def vocabulary_path(folder: Path, name: str) -> Path:
    """The file of a column's encoder, whatever characters its name has."""
    return folder / "vocabulary" / f"{quote(name, safe=' ')}.parquet"


def read_encoder(folder: Path, fields: Sequence[Field]) -> RowEncoder:
    """The encoder of some fields, from the vocabularies in a folder."""
    states = [pl.read_parquet(vocabulary_path(folder, field.name)) for field in fields]
    return RowEncoder([load(*pair) for pair in zip(fields, states, strict=True)])


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, after a look at every byte it names."""
    manifest = _unsealed(folder / MANIFEST)
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file() or file_digest(path) != digest:
            raise _changed(path, folder)
    return manifest


def file_digests(folder: Path, without: Sequence[Path] = ()) -> dict[str, str]:
    """What a manifest says of the files below its folder."""
    passing = {*without, folder / MANIFEST}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path not in passing)
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with a hash of its own content."""
    text = json.dumps(manifest, sort_keys=True)
    return manifest | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def _unsealed(path: Path) -> dict[str, Any]:
    try:
        sealed: dict[str, Any] = json.loads(path.read_text())
        manifest = {key: value for key, value in sealed.items() if key != "sha256"}
    except (ValueError, AttributeError):
        raise _changed(path, path.parent) from None
    if seal(manifest) != sealed:
        raise _changed(path, path.parent)
    return manifest


def _changed(path: Path, folder: Path) -> UserError:
    return UserError(
        f"{path}: the stored bytes were changed since they were prepared; "
        f"delete {folder} and run again"
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
