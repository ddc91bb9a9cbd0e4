"""Compiled loops on a CPU: how Numba compiles them, and the threads that share out their work.

A compiled loop releases the interpreter's lock. Each thread writes to memory of its own and sums in
a fixed order, so the bytes are the same for any number of threads.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy.typing as npt
import torch
from numba import njit

Array = npt.NDArray[Any]
compiled = njit(nogil=True, cache=True, error_model="numpy")


def run_threads(loop: Callable[..., None], pieces: Sequence[Any], *args: Any) -> None:
    """Call a compiled loop on a thread for each piece of the work, its last argument."""
    others = [_pool(os.getpid()).submit(loop, *args, piece) for piece in pieces[1:]]
    loop(*args, pieces[0])
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process: a forked one has none of its parent's."""
    return ThreadPoolExecutor(max_workers=os.cpu_count())


def split_evenly(count: int, least: int = 1_024) -> list[tuple[int, int]]:
    """Return consecutive ranges, one a thread, of at least ``least`` items."""
    threads = max(1, min(torch.get_num_threads(), count // least))
    edges = [count * i // threads for i in range(threads + 1)]
    return list(pairwise(edges))
