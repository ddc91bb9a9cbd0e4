"""The one exception that is a person's to mend, and the line it is shown as."""

import errno
import os


class UserError(Exception):
    """A mistake in what was given: the message says what, where and what to do, in one line.

    Attributes:
        status: of the command's exit.
    """

    status = 1


class UnavailableError(UserError):
    """What was asked for can be had, but not on this machine."""

    status = 2


class DivergenceError(UserError):
    """A loss that is not finite."""


def describe_os_error(error: OSError) -> str:
    """One line for a failed read or write: the path, the system's reason, what to do."""
    where = error.filename if error.filename is not None else "the output folder"
    reason = os.strerror(error.errno) if error.errno else str(error)
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
    advice = "; free the space or name another folder with results=FOLDER" if is_full else ""
    return f"{where}: {reason}{advice}"


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return describe_os_error(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
