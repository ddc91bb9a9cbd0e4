"""The manifest of a folder: what its files are, and that they still are."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError

MANIFEST = "store.json"


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
