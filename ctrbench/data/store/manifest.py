"""The manifest of a folder: its files and their hashes, and a check that they still match."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError
from ctrbench.files import SEAL, VERIFIED, changed_file, file_digest, seal, write_atomic

# Of rows, part of every key: a change of layout, of encoding or of how cells are read changes it.
FORMAT = 8
MANIFEST = "store.json"


def read_manifest(folder: Path, *, every_byte: bool = False) -> dict[str, Any]:
    """Read the manifest of a folder, and check the bytes of the files that it names.

    Args:
        every_byte: check files, too, whose size, inode and times are those of the last check.
    """
    manifest = read_sealed(folder / MANIFEST)
    last_check = None if every_byte else verified_path(folder)
    if (name := changed_file(folder, manifest["files"], last_check)) is not None:
        raise _changed(folder / name, folder)
    return manifest


def verified_path(folder: Path) -> Path:
    """Return the path of the record of a folder's last check, beside the folder."""
    return folder.with_suffix(VERIFIED)


def file_digests(folder: Path, without: Sequence[Path] = ()) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, for its manifest."""
    passing = {*without, folder / MANIFEST}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path not in passing)
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Declare a folder complete."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / MANIFEST, json.dumps(seal(manifest), indent=1))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a manifest and check the hash of its content, not the files that it names."""
    try:
        sealed: dict[str, Any] = json.loads(path.read_text())
        is_whole = seal(sealed) == sealed
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; delete {path.parent} and run again") from None
    except (ValueError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise _changed(path, path.parent)
    return {key: value for key, value in sealed.items() if key != SEAL}


def _changed(path: Path, folder: Path) -> UserError:
    return UserError(
        f"{path}: the stored bytes were changed since they were prepared; "
        f"delete {folder} and run again"
    )
