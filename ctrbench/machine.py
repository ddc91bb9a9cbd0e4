"""What machine this is: its device, memory and threads, and the versions that a number rests on."""

import ctypes
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from ctrbench.errors import UserError


def resolve_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one.

    Raises:
        UserError: for ``cuda`` without a GPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: no GPU is visible to torch; use device=auto or device=cpu")
    return torch.device(name)


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


def reuse_memory() -> None:
    """Have freed memory kept for the next tensor. By default glibc gives large blocks back to the
    system, and to get them again, page by page, costs a training step up to two thirds of its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc
        trim_threshold, mmap_max = -1, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def peak_memory(device: torch.device) -> int:
    """The most bytes that the process has held: on a GPU by its tensors, else in all."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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


def commit() -> str | None:
    """The commit of this code, where it is a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
