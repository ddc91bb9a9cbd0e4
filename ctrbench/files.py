"""Writing so that a reader, or a kill, never meets half a file; locking; work done ahead."""

import ctypes
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from filelock import FileLock, Timeout

from ctrbench.errors import UserError

NEW_S = 60.0
TEMPORARY = re.compile(r".\.(\d+)\.tmp$")  # NAME.PID.tmp
HOLDER = ".holder"
SEAL = "sha256"  # key of a record's own digest
VERIFIED = ".verified.json"  # end of the name of the record of a last check
HERE, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)
log = logging.getLogger(__name__)
T = TypeVar("T")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that is flushed to the disk and renamed into place at the end.

    What dead processes left in the folder is removed first.
    """
    remove_leftovers(path.parent)
    side = _temporary(path)
    try:
        with side.open("wb") as file:
            _lock(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
            side.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write does not say of what
        raise
    finally:
        side.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside a path, for files that a library writes by their names; it is
    removed at the end, or by a later command in its parent if this process is killed."""
    remove_leftovers(path.parent)
    side = _temporary(path)
    side.mkdir()
    descriptor = os.open(side, os.O_RDONLY)
    try:
        _lock(descriptor)
        yield side
    finally:
        os.close(descriptor)
        shutil.rmtree(side, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def remove_leftovers(folder: Path) -> None:
    """Remove what dead processes left in a folder: temporary files and folders, and the notes of
    who holds a lock.

    A process holds a lock on what it is writing, so that one of another machine or container is
    left alone. What may not be removed stays.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            path = Path(entry.path)
            if (name := TEMPORARY.search(entry.name)) is not None:
                _remove_dead(path, int(name[1]))
            elif entry.name.endswith(HOLDER):
                _remove_holder(path)


def _remove_dead(path: Path, process: int) -> None:
    """Remove a temporary file or folder whose lock is free, unless it is new and a process has its
    number: that one may be about to lock it."""
    with suppress(OSError):
        if is_running(process) and path.stat().st_mtime > time.time() - NEW_S:
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        finally:
            os.close(descriptor)


def is_running(process: int) -> bool:
    """Return whether this machine has a process of a number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove_holder(path: Path) -> None:
    lock = FileLock(path.with_name(path.name.removesuffix(HOLDER)))
    with suppress(Timeout, OSError), lock.acquire(blocking=False):
        path.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Hold the lock of an open file until it is closed; a disk may have none."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a temporary file beside the path, flush it to the disk, rename it into place."""
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def expanded(path: str) -> Path:
    """A path that a user names, ``~`` and ``~USER`` replaced by their home folders.

    Raises:
        UserError: for a user without one.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: no such home folder; give the whole path") from None


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """A hash of a file's bytes, in hexadecimal.

    Args:
        algorithm: by its name in ``hashlib``.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def file_signature(path: Path) -> tuple[int, ...]:
    """What tells one version of a file from the next without reading its bytes: device, inode,
    size, and the times (ns) at which content and inode changed.

    Raises:
        OSError: for a file that is not there.
    """
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)


def changed_file(
    folder: Path, digests: Mapping[str, str], last_check: Path | None = None
) -> str | None:
    """Return the first file of a folder that is missing or has another digest; None if all match.

    Args:
        digests: SHA-256 by name.
        last_check: record of the last check that found no change. A file whose size, inode and
            times are those of that check is not read again. None: every byte is read.
    """
    known = {} if last_check is None else _read_json(last_check)
    checked = {}
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            return name
        checked[name] = [digest, *file_signature(path)]
        if checked[name] != known.get(name) and file_digest(path) != digest:
            return name
    if last_check is not None and checked != known:
        with suppress(OSError):  # a folder that may only be read
            write_atomic(last_check, json.dumps(checked))
    return None


def _read_json(path: Path) -> dict[str, Any]:
    """Read an object; an empty one if there is none."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def seal(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with a digest of its own content."""
    content = {key: value for key, value in record.items() if key != SEAL}
    text = json.dumps(content, sort_keys=True)
    return content | {SEAL: hashlib.sha256(text.encode()).hexdigest()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file. A process that finds it held logs which one it waits for,
    and goes on when that one is done or dead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(path), path.with_name(path.name + HOLDER)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info(
            "waiting for %s, which works on %s",
            _read(holder),
            path.with_name(path.stem.lstrip(".")),
        )
        lock.acquire()
    try:
        write_atomic(holder, f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text()
    except OSError:  # not written yet
        return "another process"


def exchange(one: Path, other: Path) -> None:
    """Let two folders of one disk change their names, in one step where the system can (Linux);
    elsewhere in three, of which :func:`finish_exchange` undoes what a kill left."""
    library = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(one.absolute()), os.fsencode(other.absolute()))
    try:
        done = library.renameat2(HERE, names[0], HERE, names[1], EXCHANGE) == 0
    except AttributeError:  # no such function here
        done = False
    if not done:
        side = _side(one)
        one.rename(side)
        other.rename(one)
        side.rename(other)


def finish_exchange(one: Path) -> None:
    """Undo or end an exchange of a folder that was killed between its steps."""
    side = _side(one)
    if side.exists() and not one.exists():
        side.rename(one)
    shutil.rmtree(side, ignore_errors=True)


def _side(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def link_or_copy(path: Path, to: Path) -> None:
    """The same file under a second name, or a copy of it where the disk cannot."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, to)
    except OSError:
        shutil.copyfile(path, to)


def in_order(
    tasks: Iterable[Callable[[], T]], workers: int, *, ahead: int | None = None
) -> Iterator[T]:
    """Yield task results in order while threads run a few tasks ahead.

    Args:
        ahead: tasks taken beyond the one whose result is waited for; as many as workers if None.
    """
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for task in tasks:
                pending.append(pool.submit(task))
                if len(pending) > (workers if ahead is None else ahead):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
