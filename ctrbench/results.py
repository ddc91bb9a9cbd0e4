"""The folder ``results=``: the path of everything that ctrbench writes."""

import os
import re
from pathlib import Path

from ctrbench.errors import UserError
from ctrbench.files import expanded

STEP_TIMES = "step_times.json"  # training steps of models, measured in turn


class Results:
    """The folder ``results=``, and where everything lies below it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = expanded(str(folder))

    def check(self) -> None:
        """The folder can be written to: known before any work.

        Raises:
            UserError: if it cannot.
        """
        advice = "name another folder with results=FOLDER"
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"results={self.folder}: is a file; {advice}")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise UserError(f"{self.folder}: may not be written to; {advice}")

    @property
    def runs(self) -> Path:
        """Of all runs."""
        return self.folder / "runs"

    def run(self, data: str, model: str, identity: str) -> Path:
        """Of one run."""
        return self.runs / data / model / identity

    def store(self, data: str, key: str) -> Path:
        """Of a prepared data set."""
        return self.folder / "stores" / data / key

    def search(self, data: str, model: str, key: str) -> Path:
        """Of a search for values: its journal and its trials."""
        return self.folder / "tune" / data / model / key

    @property
    def conf(self) -> Path:
        """Of the values that searches found, in the layout of ``--config-dir``."""
        return self.folder / "conf"

    def sweep(self, name: str) -> Path:
        """Of what Hydra keeps of a sweep."""
        return self.folder / "multirun" / name

    @property
    def trials(self) -> Path:
        """Of what a few steps of runs took, to tell how long they would."""
        return self.folder / "trials.json"

    @property
    def frames(self) -> Path:
        """Of the data frames that runs were trained on."""
        return self.folder / "frames"

    def report(self, name: str) -> Path:
        """Of a report."""
        return self.folder / "report" / name

    @property
    def step_times(self) -> Path:
        """Of the paper's Figure 6 as it was measured here."""
        return self.report("figure6") / STEP_TIMES

    def download(self, name: str) -> Path:
        """Of a public set."""
        return self.folder / "downloads" / name

    def gpu(self, device: str, suffix: str) -> Path:
        """Of what a GPU was found to do."""
        return self.folder / "gpu" / f"{re.sub('[^A-Za-z0-9._-]+', '-', device)}.{suffix}"
