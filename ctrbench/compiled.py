"""Loops that Numba compiles, for training steps on a CPU.

They run on one thread: beside the threads of torch, which wait in a busy loop on the other cores, a
second one was slower on 2 cores. So their bytes do not depend on the number of threads.
"""

from typing import Any

import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]
compiled = njit(cache=True, error_model="numpy")
