"""Ctrl-C and SIGTERM of a command: both raise ``KeyboardInterrupt``, and are remembered.

An import, a destructor or a library can swallow the exception or make another one of it; that a
signal came decides how the command ends.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)
_received: list[int] = []
_before_raising: list[Callable[[int], None]] = []


def install() -> None:
    """Handle the signals of this process from now on; one that is ignored stays ignored."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    for module, name in ((sys, "unraisablehook"), (threading, "excepthook")):
        setattr(module, name, _quiet(getattr(module, name)))


def received() -> int | None:
    """Return the first signal that came; None if there was none."""
    return _received[0] if _received else None


def raise_if_received() -> None:
    """Raise ``KeyboardInterrupt`` again, where a library made another exception of it."""
    if _received:
        raise KeyboardInterrupt


@contextmanager
def before_raising(call: Callable[[int], None]) -> Iterator[None]:
    """Within, call a function with the signal's number before the first exception is raised."""
    _before_raising.append(call)
    try:
        yield
    finally:
        if call in _before_raising:
            _before_raising.remove(call)


def leave(status: int) -> None:
    """End the process, without the calls of libraries at its exit: they would run in the middle of
    what was stopped, and some print."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader has left
            continue
    os._exit(status)


def _raise(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    while _before_raising:
        _before_raising.pop()(number)
    raise KeyboardInterrupt


def _quiet(hook: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Return a hook for exceptions that no one catches, silent once a signal came."""

    def report(about: Any) -> None:
        if not _received:
            hook(about)

    return report
