"""A run is a directory; this is what lies in it, and where it and all else lies.

    config.yaml  encoder/  history.jsonl  checkpoint.pt  model.safetensors
    logits.npy  labels.npy  result.json

``result.json`` comes last, by a rename: where it exists, the run is finished. Where
``failed.json`` exists, the last start ended in an error.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from ctrbench.errors import UserError, one_line
from ctrbench.files import file_digest, write_atomic

JOURNAL = "journal.log"  # of a search; its trials lie beside it
AGAIN = "copy the run again, or train it again"
STEP_TIMES = "step_times.json"  # training steps of models, measured in turn


class RunDirectory:
    """``results/runs/<data>/<model>/<identity>``."""

    ended = "result.json"

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint(self) -> Path:
        """The resumable state."""
        return self.path / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """The best weights."""
        return self.path / "model.safetensors"

    @property
    def logits(self) -> Path:
        """Logits of the test rows, float32, in their order."""
        return self.path / "logits.npy"

    @property
    def labels(self) -> Path:
        """Labels of the test rows, a bit each (``numpy.packbits``), in the order of the logits."""
        return self.path / "labels.npy"

    @property
    def history(self) -> Path:
        """A line per evaluation."""
        return self.path / "history.jsonl"

    @property
    def encoder(self) -> Path:
        """What raw rows are encoded by, so that the run needs no store."""
        return self.path / "encoder"

    @property
    def config(self) -> Path:
        """All settings."""
        return self.path / "config.yaml"

    @property
    def lock(self) -> Path:
        """Held by the process that trains it."""
        return self.path.with_name(f".{self.path.name}.lock")

    def program(self, suffix: str) -> Path:
        """The exported model."""
        return self.path / f"model.{suffix}"

    def write(self, name: str, text: str) -> None:
        """Write a file of the run in one rename."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / name, text)

    def write_history(self, history: list[dict[str, Any]]) -> None:
        """A line per evaluation."""
        self.write(self.history.name, "".join(json.dumps(line) + "\n" for line in history))

    def settings(self) -> dict[str, Any]:
        """All settings, as ``config.yaml`` has them.

        Raises:
            UserError: if it is not there or not that of a run.
        """
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where built
        try:
            config: dict[str, Any] = yaml.load(self.config.read_bytes(), loader)
            known = all(isinstance(config[name], dict) for name in ("model", "data", "split"))
            known = known and bool(config["split"]["kind"] and config["split"]["fractions"])
        except FileNotFoundError:
            raise UserError(f"{self.config}: no such file; run its command again") from None
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
            known = False
        if not known:
            raise UserError(f"{self.config}: not the config of a run")
        return config

    def result(self) -> dict[str, Any] | None:
        """The result of a finished run.

        Raises:
            UserError: if the file is not a result.
        """
        path = self.path / self.ended
        if not path.exists():
            return None
        try:
            result: dict[str, Any] = json.loads(path.read_text())
            known = result["status"] == "ok" and bool(result["identity"])
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise UserError(f"{path}: not the result of a run; delete it")
        return result

    def trained_weights(self) -> Path:
        """The weights of a finished run.

        Raises:
            UserError: if they are not there, or others than were trained.
        """
        path, result = self.weights, self.result() or {}
        if not path.is_file() or file_digest(path) != result.get("files", {}).get(path.name):
            raise UserError(f"{path}: not the weights that were trained here; {AGAIN}")
        return path

    @property
    def failure(self) -> Path:
        """What ended the last start."""
        return self.path / "failed.json"

    @contextmanager
    def started(self, title: str) -> Iterator[None]:
        """A start of the run: an error that ends it is kept, until the next one, which removes
        what a killed process left to one side too."""
        for path in (self.failure, *self.path.glob("*.tmp")):
            path.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            about = {"what": title, "when": time.strftime("%FT%T%z"), "message": one_line(error)}
            with suppress(OSError):  # a full disk is told, if not kept
                self.write(self.failure.name, json.dumps(about, indent=1) + "\n")
            raise

    def finish(self, result: dict[str, Any]) -> None:
        """Declare the run finished."""
        self.write(self.ended, json.dumps(result, indent=1) + "\n")


class TrialDirectory(RunDirectory):
    """A trial of a search: like a run, but that the test rows are not scored. It is no run for a
    table of runs, and its result has a name of its own."""

    ended = "trial.json"


class Results:
    """The folder ``results=``, and where everything lies below it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

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

    def run(self, data: str, model: str, identity: str) -> RunDirectory:
        """Of one run."""
        return RunDirectory(self.runs / data / model / identity)

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
