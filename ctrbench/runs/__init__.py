"""A run is a directory: its settings, training, opening, prediction and export.

Called, the package gives all runs below some folders as a table: ``ctrbench.runs("results")``.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class _Runs(ModuleType):
    def __call__(self, *folders: str | Path) -> "pd.DataFrame":
        """A row a run; see :func:`ctrbench.runs.frame.frame`. Settings that all share are left out.

        Raises:
            UserError: for a folder that is not there, or without a run.
        """
        from ctrbench.runs.frame import differing, find_runs, frame

        return differing(frame(find_runs(map(Path, folders or ("results",)))))


sys.modules[__name__].__class__ = _Runs
