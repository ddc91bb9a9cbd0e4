"""The machine: its device, memory and threads, and the versions that a measurement depends on.

Functions that need torch import it: planning a run on a CPU needs none.
"""

import ctypes
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ctrbench.errors import UnavailableError

if TYPE_CHECKING:
    import torch

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
LIBC = ctypes.CDLL(None)
GPU_DRIVERS = ("libcuda.so.1", "libamdhip64.so")  # without one, torch sees no GPU


def device_type(name: str) -> str:
    """Return ``cpu`` or ``cuda``, of the device that :func:`resolve_device` returns. torch is
    imported only where a GPU is asked for or a driver is installed.

    Raises:
        UnavailableError: for a GPU that is not there.
    """
    may_be_gpu = name.startswith("cuda") or "torch" in sys.modules or _has_gpu_driver()
    return resolve_device(name).type if name != "cpu" and may_be_gpu else "cpu"


def _has_gpu_driver() -> bool:
    for library in GPU_DRIVERS:
        with suppress(OSError):
            ctypes.CDLL(library)
            return True
    return False


def resolve_device(name: str) -> "torch.device":
    """``auto`` is the GPU where there is one, ``cuda:1`` the second one.

    Raises:
        UnavailableError: for a GPU that is not there.
    """
    import torch

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
    import torch

    return torch.cuda.device_count()


def free_memory() -> int:
    """Bytes of memory that can be taken without swapping, those of cached files included; in a
    container at most what it has left. Where the system does not say, half of its memory."""
    if "MemAvailable" not in _proc("meminfo"):  # macOS
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    free = _kilobytes("meminfo", "MemAvailable")
    return min([free, *(left for group in _groups() if (left := _left(*group)) is not None)])


def _proc(name: str) -> dict[str, str]:
    """Return a file of ``/proc``, whose lines are ``key: value``; nothing where there is none."""
    if not (PROC / name).exists():  # macOS, and some sandboxes
        return {}
    lines = (PROC / name).read_text().splitlines()
    parts = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in parts}


def _kilobytes(name: str, key: str) -> int:
    """A value in kB of such a file, in bytes."""
    return int(_proc(name)[key].split()[0]) * 1024


def _groups() -> Iterator[tuple[Path, str, str]]:
    """The control groups of this process, up to the root: the folder, the names of its files of the
    limit and of what is used (of version 2 of cgroups, then of version 1)."""
    for number, group in _proc("self/cgroup").items():
        controllers, _, path = group.partition(":")
        if number == "0":
            root, files = CGROUPS, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            root, files = CGROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            yield root.joinpath(*parts[:depth]), *files


def _left(folder: Path, limit: str, used: str) -> int | None:
    """Bytes that a control group may still take; None where it has no limit. Cached files count as
    used there, and make room."""
    try:
        left = int((folder / limit).read_text()) - int((folder / used).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # not there, or "max"
        return None
    stat = {key: int(value) for key, _, value in (line.partition(" ") for line in lines)}
    files = ("inactive_file", "active_file")
    return left + sum(stat.get(f"total_{name}", stat.get(name, 0)) for name in files)


def available_memory(device: "torch.device") -> int:
    """Bytes that a model may take on a device, memory freed by earlier models of this process
    included."""
    if device.type != "cuda":
        return free_memory()
    import torch

    left = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + left


def reuse_memory() -> None:
    """Keep freed memory for the next tensor. By default glibc returns large blocks to the system,
    and getting them again, page by page, costs a training step up to two thirds of its time.
    """
    if hasattr(LIBC, "mallopt"):  # glibc
        trim_threshold, mmap_max = -1, -4
        LIBC.mallopt(mmap_max, 0)
        LIBC.mallopt(trim_threshold, 2**31 - 1)


@cache
def first_threads() -> int:
    """Return the CPU threads that torch took by itself, before any run set its own."""
    import torch

    return torch.get_num_threads()


def use_threads(threads: int | None) -> None:
    """CPU threads of the work to come; None: as many as torch took when the process began, whatever
    an earlier run of the process used."""
    import torch

    first = first_threads()  # asked for before the first change
    wanted = first if threads is None else threads
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


def reset_peak_memory(device: "torch.device") -> None:
    """Start measuring :func:`peak_memory` anew, where the system allows it; memory that was freed
    but kept is returned to the system first."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    else:
        if hasattr(LIBC, "malloc_trim"):
            LIBC.malloc_trim(0)
        with suppress(OSError):
            (PROC / "self/clear_refs").write_text("5")


def peak_memory(device: "torch.device") -> int:
    """The most bytes held since :func:`reset_peak_memory`: on a GPU by the tensors of the process,
    else by the whole process.

    Where the system does not allow a new start, it is the most since the process began, which an
    earlier run of the same process may have taken.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    if "VmHWM" not in _proc("self/status"):  # macOS, and some sandboxes
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return _kilobytes("self/status", "VmHWM")


def anonymous_memory() -> int:
    """Bytes that the process holds now, mapped files left out; 0 where the system does not say."""
    return _kilobytes("self/status", "RssAnon") if "RssAnon" in _proc("self/status") else 0


def environment(device: "torch.device", precision: str) -> dict[str, Any]:
    """What a measurement was made on."""
    import torch

    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit(),
    }


def device_name(device: "torch.device") -> str:
    """A GPU's name; of a CPU its name, where the system says it, and the instructions that torch
    uses."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _proc("cpuinfo").get("model name")
    return f"cpu ({name or platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"


def commit() -> str | None:
    """The commit of this code (see :func:`commit_of`)."""
    return commit_of(Path(__file__))


@cache
def commit_of(path: Path) -> str | None:
    """The commit of the checkout that a file belongs to, with ``-dirty`` where tracked files differ
    from it; None for a file that git does not track there."""
    git = ["git", "--no-optional-locks", "-C", str(path.parent)]
    tracked = [*git, "ls-files", "--error-unmatch", path.name]
    described = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        for command in (tracked, described):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
