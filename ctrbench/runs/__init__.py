"""A run is a directory: its plan, training, opening, prediction and export."""

import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class _CallableModule(ModuleType):
    """Until 0.4: ``ctrbench.runs("results")``, the name of ``ctrbench.load_runs`` before 0.3."""

    def __call__(self, *folders: str | Path) -> "pd.DataFrame":
        from ctrbench.runs.frame import load_runs

        warnings.warn("ctrbench.runs(...) is now ctrbench.load_runs(...)", FutureWarning, 2)
        return load_runs(*folders)


sys.modules[__name__].__class__ = _CallableModule
