"""A run is a directory; this is what lies in it, and where it and all else lies.

    config.yaml  encoder/  history.jsonl  checkpoint.pt  model.safetensors
    logits.npy  labels.npy  row_weights.npy  valid_logits.npy  valid_labels.npy  result.json

``result.json`` comes last, by a rename: where it exists, the run is finished. Where
``failed.json`` exists, the last start ended in an error.
"""

import json
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from ctrbench.errors import UserError, one_line
from ctrbench.files import SEAL, VERIFIED, changed_file, file_digest, seal, write_atomic

JOURNAL = "journal.log"  # of a search; its trials lie beside it
# What to do about a file whose damage the command of its run notices, and about another.
AGAIN = "run its command again, or copy it again"
ANEW = "delete its folder and run its command again, or copy it again"


def relative_paths(value: Any) -> Any:
    """Return a config whose absolute paths below the current folder are relative to it, so that a
    shared run does not tell where on a machine it was trained."""
    if isinstance(value, dict):
        return {key: relative_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [relative_paths(item) for item in value]
    if not isinstance(value, str):
        return value
    below = re.escape(f"{Path.cwd()}{os.sep}")
    begin = r"(^(?:[\w.@+~]+=)?\[?|,\s*)"  # of the text, of an override, of an item of a list
    return re.sub(rf"{begin}(['\"]?){below}", r"\1\2", value)


def read_yaml(path: Path) -> Any:
    """Read a YAML file that ctrbench wrote.

    Aliases, by which a small file can stand for a huge one, are refused: ctrbench writes none.

    Raises:
        UserError: if it is no such file.
        FileNotFoundError: if it is not there.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where built
    text = path.read_bytes()
    try:
        if b"*" in text and any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text, loader)):
            raise UserError(
                f"{path}: has YAML aliases (*NAME), which ctrbench does not write; {AGAIN}"
            )
        return yaml.load(text, loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: not YAML that ctrbench writes ({reason}); {AGAIN}") from None


def _wrong_key(config: Any) -> str | None:
    """Return what of a config is not as that of a run; None where all is."""
    if not isinstance(config, dict):
        return "no keys"
    for name in ("model", "data", "split"):
        if not isinstance(config.get(name), dict):
            return f"{name}: no section"
    for name in ("optimizer", "trainer", "classes"):
        if not isinstance(config.get(name, {}), dict):
            return f"{name}: no section"
    fractions = config["split"].get("fractions")
    if not isinstance(config["split"].get("kind"), str):
        return "split.kind: no text"
    if not (isinstance(fractions, list) and fractions and all(map(_is_number, fractions))):
        return "split.fractions: no list of numbers"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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
    def row_weights(self) -> Path:
        """The weights of the test rows, where the rows have some."""
        return self.path / "row_weights.npy"

    @property
    def valid_logits(self) -> Path:
        """Logits of the validation rows, float32, in their order."""
        return self.path / "valid_logits.npy"

    @property
    def valid_labels(self) -> Path:
        """Labels of the validation rows, as :attr:`labels`."""
        return self.path / "valid_labels.npy"

    @property
    def history(self) -> Path:
        """A line per evaluation."""
        return self.path / "history.jsonl"

    @property
    def encoder(self) -> Path:
        """What raw rows are encoded by, so that the run needs no store."""
        return self.path / "encoder"

    @property
    def code(self) -> Path:
        """The files of components from outside the package, if there are any."""
        return self.path / "code"

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
            UserError: if it is not there, not that of a run, or another than that of the result.
        """
        try:
            config: dict[str, Any] = read_yaml(self.config)
            wrong = _wrong_key(config)
        except FileNotFoundError:
            raise UserError(f"{self.config}: no such file; {AGAIN}") from None
        if wrong is not None:
            raise UserError(f"{self.config}: not the config of a run ({wrong}); {AGAIN}")
        self.check(self.config)
        return config

    def result(self) -> dict[str, Any] | None:
        """The result of a finished run.

        Raises:
            UserError: if the file is not a result, or was changed since it was written.
        """
        path = self.path / self.ended
        if not path.exists():
            return None
        try:
            result: dict[str, Any] = json.loads(path.read_text())
            is_known = result["status"] == "ok" and bool(result["identity"])
            is_whole = SEAL not in result or seal(result) == result  # those of before 0.3 have none
        except (ValueError, KeyError, TypeError, RecursionError):
            is_known = is_whole = False
        if not is_known:
            raise UserError(f"{path}: not the result of a run; {AGAIN}")
        if not is_whole:
            raise UserError(f"{path}: was changed since it was written; {AGAIN}")
        result.pop(SEAL, None)
        return result

    def check_trained(self) -> None:
        """Refuse a run of imported scores, which has no model."""
        model = (self.result() or {}).get("settings", {}).get("model", {})
        if model.get("external"):
            raise UserError(
                f"{self.path}: has the imported scores of {model['name']}, and no model; name a "
                "run that was trained here"
            )

    def check(self, path: Path) -> None:
        """Check a file of a finished run by the digest that its result keeps, if it does.

        Raises:
            UserError: if the file was changed.
        """
        digest = self._digests().get(path.name)
        if digest is not None and file_digest(path) != digest:
            raise UserError(f"{path}: was changed since it was written; {AGAIN}")

    def file_digests(self) -> dict[str, str]:
        """Return the SHA-256 of the files of a run that its result keeps, by paths within the
        directory."""
        from ctrbench.data.store.manifest import MANIFEST

        files = [self.weights, self.logits, self.labels, self.row_weights, self.valid_logits]
        files += [self.valid_labels, self.history, self.config]
        files += sorted([*self.encoder.rglob(MANIFEST), *self.code.rglob("*")])
        existing = [path for path in files if path.is_file()]
        return {path.relative_to(self.path).as_posix(): file_digest(path) for path in existing}

    def _digests(self) -> dict[str, Any]:
        """Return the digests that the result keeps, by paths within the directory."""
        return dict((self.result() or {}).get("files", {}))

    def trained_weights(self) -> Path:
        """The weights of a finished run.

        Raises:
            UserError: if they are not there, or others than were trained.
        """
        self.check_trained()
        path = self.weights
        if not path.is_file() or file_digest(path) != self._digests().get(path.name):
            raise UserError(f"{path}: not the weights that were trained here; {AGAIN}")
        return path

    def damaged(self) -> Path | None:
        """Return the first file of a finished run that is missing or was changed; None if all are
        whole. Those that are as at the last check are not read again."""
        from ctrbench.data.store.manifest import MANIFEST, read_sealed

        path = self.path / self.ended
        try:
            digests = self._digests()
            path = self.config
            self.settings()
            for path in sorted(self.encoder.rglob(MANIFEST)):
                below = path.parent.relative_to(self.path)
                files = read_sealed(path)["files"]
                digests |= {str(below / name): digest for name, digest in files.items()}
        except UserError:
            return path
        last_check = self.path.with_name(f".{self.path.name}{VERIFIED}")
        name = changed_file(self.path, digests, last_check)
        return None if name is None else self.path / name

    def is_finished(self) -> bool:
        """Return whether the run has ended and none of its files is damaged."""
        return (self.path / self.ended).exists() and self.damaged() is None

    @property
    def failure(self) -> Path:
        """What ended the last start."""
        return self.path / "failed.json"

    @contextmanager
    def started(self, title: str) -> Iterator[None]:
        """A start of the run: an error that ends it is kept, until the next one."""
        self.failure.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            about = {"what": title, "when": time.strftime("%FT%T%z"), "message": one_line(error)}
            with suppress(OSError):  # a full disk is told, if not kept
                self.write(self.failure.name, json.dumps(about, indent=1) + "\n")
            raise

    def finish(self, result: dict[str, Any]) -> None:
        """Declare the run finished."""
        self.write(self.ended, json.dumps(seal(result), indent=1) + "\n")


class TrialDirectory(RunDirectory):
    """A trial of a search: like a run, but that the test rows are not scored. It is no run for a
    table of runs, and its result has a name of its own."""

    ended = "trial.json"
