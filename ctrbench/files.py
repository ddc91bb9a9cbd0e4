"""Writing so that a reader, or a kill, never meets half a file; locking; work done ahead."""

import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write to one side, flush to the disk, rename into place."""
    side = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with side.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        side.replace(path)
    finally:
        side.unlink(missing_ok=True)


def file_signature(path: Path) -> tuple[int, ...]:
    """What tells one version of a file from the next without a look at its bytes: device, inode,
    size, and the times (ns) at which content and inode changed.

    Raises:
        OSError: for a file that is not there.
    """
    status = path.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return (status.st_dev, status.st_ino, status.st_size, *times)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; another process waits. A dead holder holds nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def in_order(
    tasks: Iterable[Callable[[], T]], workers: int, *, ahead: int | None = None
) -> Iterator[T]:
    """The results of tasks in their order, some of which threads work at ahead.

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
