"""The exception for mistakes a user can fix, and the one line that any error is shown as."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """A mistake in what was given: the message says what, where and what to do, in one line.

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


KEYS = re.compile(r"(?<![\w.])(optimizer|trainer)\.")


@contextmanager
def of_first_stage() -> Iterator[None]:
    """Name the keys of a run as they are named where it is another run's first stage."""
    try:
        yield
    except UserError as error:
        raise type(error)(KEYS.sub(r"pretraining.\1.", str(error))) from None


def describe_os_error(error: OSError) -> str:
    """One line for a failed read or write: the path, the system's reason, what to do."""
    where = error.filename if error.filename is not None else "the output folder"
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"{where}: {reason}{_advice(error)}"


def _advice(error: OSError) -> str:
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


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return describe_os_error(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
