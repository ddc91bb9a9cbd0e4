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
        """Return a table with a row for each run; see
        :func:`ctrbench.runs.frame.select_columns`. Settings that all runs share are left out.

        Raises:
            UserError: for a folder that is not there, or without a run.
        """
        from ctrbench.files import expanded
        from ctrbench.runs.frame import find_runs, frame, select_columns

        paths = [expanded(str(folder)) for folder in folders or ("results",)]
        return select_columns(frame(find_runs(paths)))


sys.modules[__name__].__class__ = _Runs
