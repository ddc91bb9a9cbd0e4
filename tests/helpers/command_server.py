"""Run commands in forks of one process that has imported what they import: a fork begins its work
at once, where a new process takes seconds.

Reads a JSON object a line from standard input, and answers each with one.
"""

import importlib
import json
import os
import pkgutil
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import ctrbench

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
OPERATIONS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}
LAZY = ("matplotlib.pyplot", "optuna.storages.journal", "sklearn.metrics", "torch.export")


class Faults:
    """Counts the operations on files below a folder, and sends a signal before the k-th.

    Args:
        before: k; 0: never.
    """

    def __init__(self, folder: str, before: int, number: int) -> None:
        self.folder, self.before, self.number, self.count = folder, before, number, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            counts = bool(arguments[2] & WRITING)
        else:
            counts = event in OPERATIONS
        if counts and self._is_below(event, arguments):
            self.count += 1
            if self.count == self.before:
                os.kill(os.getpid(), self.number)

    def _is_below(self, event: str, arguments: tuple[Any, ...]) -> bool:
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        is_in_folder = isinstance(arguments[-1], int) and arguments[-1] > 2 and event != "open"
        return is_in_folder or os.path.abspath(os.fsdecode(path)).startswith(self.folder)


def run(request: dict[str, Any]) -> None:
    """Run one command, in a fork."""
    os.environ["XDG_CACHE_HOME"] = request["folder"]
    os.chdir(request["folder"])
    faults = Faults(request["folder"], request["before"], request["signal"])
    if request["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"], resource.RLIM_INFINITY))
    sys.argv = ["ctrbench", *request["arguments"]]
    sys.addaudithook(faults)
    from ctrbench.command.cli import main

    status = 1
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with open(request["count"], "w") as file:
        file.write(str(faults.count))
    os._exit(status)


def _copy_to(path: str) -> Any:
    """Start to copy a pipe to a file: a limit on the size of files does not hold for a pipe."""
    with open(path, "wb") as file:
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)


def serve() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    for module in pkgutil.walk_packages(ctrbench.__path__, "ctrbench."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # of packages that are not installed
                importlib.import_module(module.name)
    for name in LAZY:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        copies = [_copy_to(request[name]) for name in ("stdout", "stderr")]
        if (process := os.fork()) == 0:
            for descriptor, copy in enumerate(copies, 1):
                os.dup2(copy.stdin.fileno(), descriptor)
                copy.stdin.close()
            run(request)
        _, status = os.waitpid(process, 0)
        for copy in copies:
            copy.communicate()
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    serve()
