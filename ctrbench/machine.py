"""What machine this is: its device, memory and threads, and the versions that a number rests on."""

import ctypes
import os
import platform
import resource
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ctrbench.errors import UnavailableError

LIBC = ctypes.CDLL(None)
FIRST_THREADS = torch.get_num_threads()  # before any run sets its own


def resolve_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one, ``cuda:1`` the second one.

    Raises:
        UnavailableError: for a GPU that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UnavailableError(
                f"device={name}: no GPU is visible to torch; use device=auto or device=cpu"
            )
        if (device.index or 0) >= (found := torch.cuda.device_count()):
            last = "cuda:0 alone" if found == 1 else f"cuda:0 to cuda:{found - 1}"
            raise UnavailableError(f"device={name}: no such GPU; torch sees {last}")
    return device


def gpus() -> int:
    """How many torch sees."""
    return torch.cuda.device_count()


def free_memory() -> int:
    """Bytes of memory that can be taken without swapping, what caches of files hold included; in a
    container at most what it may have."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    try:
        limit, used = (
            int((Path("/sys/fs/cgroup") / name).read_text())
            for name in ("memory.max", "memory.current")
        )
        return min(free, limit - used)
    except (OSError, ValueError):  # no limit
        return free


def available_memory(device: torch.device) -> int:
    """Bytes that a model may take on a device; what earlier models of this process left counts."""
    if device.type != "cuda":
        return free_memory()
    left = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + left


def reuse_memory() -> None:
    """Have freed memory kept for the next tensor. By default glibc gives large blocks back to the
    system, and to get them again, page by page, costs a training step up to two thirds of its time.
    """
    if hasattr(LIBC, "mallopt"):  # glibc
        trim_threshold, mmap_max = -1, -4
        LIBC.mallopt(mmap_max, 0)
        LIBC.mallopt(trim_threshold, 2**31 - 1)


def use_threads(threads: int | None) -> None:
    """CPU threads of the work to come; None: as many as torch took when the process began, whatever
    an earlier run of the process used."""
    wanted = FIRST_THREADS if threads is None else threads
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


def reset_peak_memory(device: torch.device) -> None:
    """Begin to measure :func:`peak_memory` anew, where the system can; what was freed and kept goes
    back to the system first."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        if hasattr(LIBC, "malloc_trim"):
            LIBC.malloc_trim(0)
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """The most bytes held since :func:`reset_peak_memory`: on a GPU by the tensors of the process,
    else by the whole process.

    Where Linux cannot begin anew, and elsewhere, it is the most since the process began, which an
    earlier run of the same process may have taken.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())  # a name may have a colon
        return int(lines["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def anonymous_memory() -> int:
    """Bytes that the process holds now, files that are mapped left out; 0 where Linux is not."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        return int(lines["RssAnon"].split()[0]) * 1024
    except (OSError, KeyError):
        return 0


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Where a number was measured."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "precision": precision,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit(),
    }


@cache
def commit() -> str | None:
    """The commit of this code, where it is a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
