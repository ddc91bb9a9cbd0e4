"""A run is a directory; this is what lies in it, and where it and all else lies.

    config.yaml  encoder/  history.jsonl  checkpoint.pt  model.safetensors  logits.npy  result.json

``result.json`` comes last, by a rename: where it exists, the run is finished. Where
``failed.json`` exists, the last start ended in an error.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError, one_line
from ctrbench.files import write_atomic


class RunDirectory:
    """``results/runs/<data>/<model>/<identity>``."""

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
        self.write("history.jsonl", "".join(json.dumps(line) + "\n" for line in history))

    def result(self) -> dict[str, Any] | None:
        """The result of a finished run.

        Raises:
            UserError: if the file is not a result.
        """
        path = self.path / "result.json"
        if not path.exists():
            return None
        try:
            result: dict[str, Any] = json.loads(path.read_text())
            assert result["status"] == "ok" and result["identity"]
        except (ValueError, KeyError, TypeError, AssertionError):
            raise UserError(f"{path}: not the result of a run; delete it") from None
        return result

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
        self.write("result.json", json.dumps(result, indent=1) + "\n")


class Results:
    """The folder ``results=``, and where everything lies below it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

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

    def sweep(self, name: str) -> Path:
        """Of what Hydra keeps of a sweep."""
        return self.folder / "multirun" / name

    def report(self, name: str) -> Path:
        """Of a report."""
        return self.folder / "report" / name

    def download(self, name: str) -> Path:
        """Of a public set."""
        return self.folder / "downloads" / name

    def gpu(self, device: str, suffix: str) -> Path:
        """Of what a GPU was found to do."""
        return self.folder / "gpu" / f"{re.sub('[^A-Za-z0-9._-]+', '-', device)}.{suffix}"
