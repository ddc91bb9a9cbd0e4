"""Check a file that a user names, and hash its content."""

import contextlib
import functools
import hashlib
import json
import os
import stat
from pathlib import Path

from ctrbench.errors import UserError
from ctrbench.files import file_digest, file_signature, write_atomic


def why_no_file(path: Path) -> str:
    """Return why a path is no file of rows, or an empty text if it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "no such file"
    except OSError as error:  # a loop of links, a folder that may not be entered
        return os.strerror(error.errno or 0).lower()
    except ValueError:
        return "not a file's name"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "" if stat.S_ISREG(mode) else "a pipe or a device, not a file"


def content_digest(path: Path, algorithm: str = "sha256") -> str:
    """Return a hash of a file's bytes.

    Hashing a full data set takes many seconds: the result is cached in the user's cache folder by
    path and signature.

    Args:
        algorithm: by its name in ``hashlib``.
    """
    try:
        return _digest(path.resolve(), file_signature(path), algorithm)
    except PermissionError:
        raise UserError(f"{path}: may not be read; change its permissions") from None


@functools.cache
def _digest(path: Path, version: tuple[int, ...], algorithm: str) -> str:
    key = {"path": str(path), "version": list(version)}
    with contextlib.suppress(OSError, RuntimeError, ValueError, KeyError, TypeError):
        remembered = json.loads(_note(path, algorithm).read_text())
        if {name: remembered[name] for name in key} == key:
            return str(remembered["digest"])
    digest = file_digest(path, algorithm)[:32]
    if file_signature(path) == version:
        with contextlib.suppress(OSError, RuntimeError):  # no home, or none to write to: only slow
            note = _note(path, algorithm)
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(note, json.dumps(key | {"digest": digest}))
    return digest


def _note(path: Path, algorithm: str) -> Path:
    """Return the path of the cache entry of a file's digest."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    suffix = "json" if algorithm == "sha256" else f"{algorithm}.json"
    return Path(cache) / "ctrbench" / "digests" / f"{name}.{suffix}"
