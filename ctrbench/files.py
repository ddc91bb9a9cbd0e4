"""Writing so that a reader, or a kill, never meets half a file; locking; work done ahead."""

import hashlib
import logging
import os
import shutil
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

from filelock import FileLock, Timeout

from ctrbench.errors import UserError

log = logging.getLogger(__name__)
T = TypeVar("T")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that is flushed to the disk and renamed into place at the end."""
    side = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with side.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        side.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed write does not say of what
        raise
    finally:
        side.unlink(missing_ok=True)


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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file. A process that finds it held logs which one it waits for,
    and goes on when that one is done or dead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(path), path.with_name(f"{path.name}.holder")
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
