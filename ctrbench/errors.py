"""The exception for mistakes a user can fix, and the one line that any error is shown as."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STANDARD_OUTPUT = "standard output"


class UserError(Exception):
    """A mistake in what was given: the message says what, where and what to do, in one line.

    Any function of the package may raise it; docstrings do not repeat that.

    Attributes:
        status: of the command's exit.
    """

    status = 1


class UnavailableError(UserError):
    """What was asked for can be had, but not on this machine."""

    status = 2


class DiskError(UserError):
    """A disk that is too small."""


class DivergenceError(UserError):
    """A loss that is not finite."""


OUT_OF_MEMORY = re.compile(
    r"can't allocate memory|out of memory|Unable to allocate|Cannot allocate memory", re.IGNORECASE
)
SIZE = re.compile(r"(?:[Aa]llocate|Unable to allocate) (\d[\d.]* ?(?:bytes|[KMGT]i?B))")
KEYS = re.compile(r"(?<![\w.])(optimizer|trainer)\.")


@contextmanager
def name_pretraining_keys() -> Iterator[None]:
    """Name the keys of a run as they are named where it is another run's first stage."""
    try:
        yield
    except UserError as error:
        raise type(error)(KEYS.sub(r"pretraining.\1.", str(error))) from None


def memory_error(error: BaseException) -> UserError | None:
    """Return the one line for memory that ran out, of the machine or of a GPU; None for any other
    error."""
    text = str(error)
    if not isinstance(error, MemoryError) and OUT_OF_MEMORY.search(text) is None:
        return None
    size = SIZE.search(text)
    reason = "" if size is None else f" ({size[1]} more were needed)"
    on_gpu = "CUDA" in text
    place = "rows_in=host, " if on_gpu else ""
    return UserError(
        f"out of {'GPU ' if on_gpu else ''}memory{reason}; lower trainer.batch_size, "
        f"model.embedding_dim or model.hidden, {place}or raise data.min_count"
    )


def describe_os_error(error: OSError) -> str:
    """Return one line for a failed read or write: the path, the system's reason, what to do."""
    where = "a file" if error.filename is None else error.filename
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"{where}: {reason}{_advice(error)}"


def _advice(error: OSError) -> str:
    if error.filename == STANDARD_OUTPUT:
        return "; write it to another place"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "; free the space, or name another folder with results=FOLDER"
    if error.errno in (errno.EROFS, errno.EFBIG) or _is_refused_write(error):
        return "; name another folder with results=FOLDER"
    return ""


def _is_refused_write(error: OSError) -> bool:
    """Whether permission was lacking to write: to what can be read, or is not there yet."""
    if error.errno != errno.EACCES or not isinstance(error.filename, str | os.PathLike):
        return False
    path = Path(error.filename)
    is_new = not os.path.exists(path)  # the method of a path would raise this error again
    return os.access(path, os.R_OK) or (is_new and os.access(path.parent, os.X_OK))


def wants_traceback() -> bool:
    """Return whether ``HYDRA_FULL_ERROR=1`` asks for the traceback of an error beside its line."""
    return os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, UserError):
        return str(error)
    if (of_memory := memory_error(error)) is not None:
        return str(of_memory)
    if isinstance(error, OSError):
        return describe_os_error(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
