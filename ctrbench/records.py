"""A run is a directory; this is what lies in it.

    config.yaml  history.jsonl  checkpoint.pt  model.safetensors  [predictions.npy]  result.json

``result.json`` comes last, by a rename: where it exists, the run is finished.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError
from ctrbench.files import write_atomic


def identity(config: dict[str, Any]) -> str:
    """A hash of what decides a run's result."""
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    def predictions(self) -> Path:
        """Probabilities of the test rows, float32, where asked for."""
        return self.path / "predictions.npy"

    def write(self, name: str, text: str) -> None:
        """Write a file of the run in one rename."""
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

    def finish(self, result: dict[str, Any]) -> None:
        """Declare the run finished."""
        self.write("result.json", json.dumps(result, indent=1) + "\n")
