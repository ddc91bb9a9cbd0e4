"""The manifest of a folder: its files and their hashes, and a check that they still match."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError
from ctrbench.files import file_digest, file_signature, write_atomic

# Of rows, part of every key: a change of layout, of encoding or of how cells are read changes it.
FORMAT = 8
MANIFEST = "store.json"


def read_manifest(folder: Path, *, every_byte: bool = False) -> dict[str, Any]:
    """Read the manifest of a folder, and check the bytes of the files that it names.

    Args:
        every_byte: check files, too, whose size, inode and times are those of the last check.
    """
    manifest = _unsealed(folder / MANIFEST)
    last_check = {} if every_byte else _verified(folder)
    checked = {}
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise _changed(path, folder)
        checked[name] = [digest, *file_signature(path)]
        if checked[name] != last_check.get(name) and file_digest(path) != digest:
            raise _changed(path, folder)
    if checked != last_check and not every_byte:
        with suppress(OSError):  # a store that may only be read
            write_atomic(verified_path(folder), json.dumps(checked))
    return manifest


def verified_path(folder: Path) -> Path:
    """Return the path of the record of a folder's last check, beside the folder."""
    return folder.with_suffix(".verified.json")


def _verified(folder: Path) -> dict[str, Any]:
    """Read the digest and the signature of each file at its last check."""
    try:
        return dict(json.loads(verified_path(folder).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def file_digests(folder: Path, without: Sequence[Path] = ()) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, for its manifest."""
    passing = {*without, folder / MANIFEST}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path not in passing)
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Declare a folder complete."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / MANIFEST, json.dumps(seal(manifest), indent=1))


def seal(manifest: dict[str, Any]) -> dict[str, Any]:
    """Add a hash of its own content to a manifest."""
    text = json.dumps(manifest, sort_keys=True)
    return manifest | {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def _unsealed(path: Path) -> dict[str, Any]:
    try:
        sealed: dict[str, Any] = json.loads(path.read_text())
        manifest = {key: value for key, value in sealed.items() if key != "sha256"}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; delete {path.parent} and run again") from None
    except (ValueError, AttributeError, RecursionError):
        raise _changed(path, path.parent) from None
    if seal(manifest) != sealed:
        raise _changed(path, path.parent)
    return manifest


def _changed(path: Path, folder: Path) -> UserError:
    return UserError(
        f"{path}: the stored bytes were changed since they were prepared; "
        f"delete {folder} and run again"
    )
