"""The command ``ctrbench``: a verb, then Hydra's own override syntax.

Little is imported here: Ctrl-C ends the command with one line from its first moments on.
"""

import io
import os
import signal
import sys
import traceback
from typing import Any

from ctrbench import signals

USAGE = """\
usage: ctrbench VERB [OPTIONS] [KEY=VALUE ...]

  train [-m] model=deepfm data=criteo data.path=FILE   one run; with -m a sweep over lists
  reproduce EXPERIMENT [KEY=VALUE ...] | --list        an experiment: its runs, then its report
  data data=table data.path=FILE data.label=COLUMN     a look at a data set before training
  prepare [--verify] data=criteo data.path=FILE        encode a data set; training finds it again
  tune model=deepfm data=... trials=30                 search for values; validation rows alone
  report [FOLDER ...] [name=NAME] [x=KEY]              tables, figures and a page of any runs
  download NAME                                        a public set: criteo_x4, frappe_x1, ...
  predict RUN FILE                                     a probability per row of FILE
  export RUN [onnx=true]                               the model as a program of its own
  rows data=criteo data.path=FILE out=FOLDER           the rows of each split, for other systems
  import NAME data=... valid=FILE test=FILE            the scores of another system as a run
  check model=deepfm                                   what every model must do, a line each
  bench model=deepfm                                   a training step beside the machine's limit
  bench peers                                          the same beside FuxiCTR and DeepCTR-Torch
  bench gpu                                            check a GPU's results and measure its speed

`ctrbench VERB --help` says more, `ctrbench train --help` lists every key. Everything goes to
results=FOLDER (default: results).
"""
RESUMED = {"train", "reproduce", "tune"}  # verbs whose runs have checkpoints


def main() -> None:
    """Run the command of this process, and end it.

    Exit status 0: done; 1: a mistake in what was given, or a run that failed, with a line on
    stderr; 2: no verb or an unknown one, or a GPU that this machine does not have; 130: stopped by
    Ctrl-C; 143: stopped by SIGTERM.
    """
    signals.install()
    sys.stdout = _named_output()
    status = run(sys.argv[1:])
    if signals.received() is not None:
        signals.leave(status)
    sys.exit(status)


class _StandardOutput(io.FileIO):
    """Standard output, whose errors name it."""

    def write(self, data: Any, /) -> int:
        from ctrbench.errors import STANDARD_OUTPUT

        try:
            return super().write(data)
        except OSError as error:
            error.filename = STANDARD_OUTPUT
            raise


def _named_output() -> io.TextIOWrapper:
    """Return this process's standard output with errors that name it."""
    sys.stdout.flush()
    output = io.BufferedWriter(_StandardOutput(sys.stdout.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        output, sys.stdout.encoding, sys.stdout.errors, line_buffering=sys.stdout.isatty()
    )


def run(arguments: list[str]) -> int:
    """Run a command in this process; return its exit status."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BaseException as error:
        if signals.received() is None and not isinstance(error, KeyboardInterrupt):
            return _report(error)
        return _report_stop(arguments)
    return status if signals.received() is None else _report_stop(arguments)


def _report(error: BaseException) -> int:
    """Print the one line of an error that a user can mend; raise any other again."""
    from ctrbench.errors import (
        STANDARD_OUTPUT,
        UserError,
        memory_error,
        one_line,
        wants_traceback,
    )

    if isinstance(error, OSError) and error.filename == STANDARD_OUTPUT:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader of our output has left
            return 1
    if not isinstance(error, UserError | OSError) and memory_error(error) is None:
        raise error
    if wants_traceback():
        traceback.print_exception(error)
    print(f"ctrbench: {one_line(error)}", file=sys.stderr)
    return error.status if isinstance(error, UserError) else 1


def _report_stop(arguments: list[str]) -> int:
    is_resumed = bool(RESUMED.intersection(arguments[:1]))
    more = "; the same command goes on with the runs that it began" if is_resumed else ""
    print(f"stopped{more}", file=sys.stderr)
    return 128 + (signals.received() or signal.SIGINT)


def _run(words: list[str]) -> int:
    import logging

    import ctrbench.command.verbs
    import ctrbench.command.verbs_exchange  # noqa: F401 they register the verbs
    from ctrbench.command.verb_parser import VERBS, refuse_verb
    from ctrbench.version import __version__

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] == "--version":
        print(__version__)
        return 0
    if words[0] not in VERBS:
        return refuse_verb(words[0])
    VERBS[words[0]](words[1:])
    return 0
