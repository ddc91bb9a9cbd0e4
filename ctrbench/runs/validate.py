"""Whether the record of a finished run has all that tables and figures are made of.

Records come from other machines and other people: what a report computes with is checked first, run
by run, so that an odd one is listed with the reason and ends nothing.
"""

import math
from pathlib import Path
from typing import Any

from ctrbench.errors import UserError
from ctrbench.monitor import check_monitor
from ctrbench.runs.record import ANEW

COUNTS = (
    *("seed", "batch_size", "dataset.features", "dataset.fields", "environment.threads"),
    *(f"dataset.rows.{name}" for name in ("train", "valid", "test")),
)
NUMBERS = (
    *("metrics.valid.auc", "metrics.valid.logloss", "metrics.test.auc", "metrics.test.logloss"),
    "seconds_per_epoch",
)
WORDS = (
    *("model", "data", "identity", "settings.model.name", "dataset.content"),
    *(f"environment.{name}" for name in ("device", "precision", "torch")),
)
# Below these everything is a number or lacking, and these may be lacking.
OPTIONAL = ("metrics.", "seconds.", "parameters.")
# What a run of imported scores has not: it was not trained here.
OF_TRAINING = ("batch_size", "seconds_per_epoch", "environment.")
OPTIONAL_NUMBERS = ("pretrain_seconds_per_epoch", "epochs", "best_epoch", "settings.model.dropout")
FILES = ("logits.npy", "labels.npy", "row_weights.npy", "valid_logits.npy", "valid_labels.npy")
OPTIONAL_WORDS = ("environment.commit", *(f"files.{name}" for name in FILES))
SECTIONS = ("model", "optimizer", "trainer")
EXTERNAL = "settings.model.external"
LARGEST = 2**63


def is_count(value: Any) -> bool:
    """Whether a value is a whole number that a table can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value) and abs(value) < LARGEST


def check_result(path: Path, result: dict[str, Any], flat: dict[str, Any]) -> None:
    """Refuse a record without what tables and figures are made of.

    Args:
        flat: the same under dotted names.

    Raises:
        UserError: naming the file and the key.
    """
    is_external = flat.get(EXTERNAL) is True
    for names, holds, what in (
        (COUNTS, is_count, "a whole number"),
        (NUMBERS, _is_number, "a number"),
        (WORDS, lambda value: isinstance(value, str), "a text"),
    ):
        for name in names:
            if not (is_external and name.startswith(OF_TRAINING)):
                _require(path, name, holds(flat.get(name)), what)
    optional = [name for name in flat if name.startswith(OPTIONAL) or name in OPTIONAL_NUMBERS]
    for name in optional:
        _require(path, name, flat[name] is None or _is_number(flat[name]), "a number")
    for name in OPTIONAL_WORDS:
        _require(path, name, isinstance(flat.get(name, ""), str | None), "a text")
    settings = result["settings"]
    for name in SECTIONS:
        _require(path, f"settings.{name}", isinstance(settings.get(name), dict), "a section")
    if "monitor" in settings["trainer"]:
        try:
            check_monitor(settings["trainer"]["monitor"])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    same = settings["model"]["name"] == result["model"]
    _require(path, "model", same, f"{settings['model']['name']}, which its settings name")


def _require(path: Path, name: str, holds: bool, what: str) -> None:
    if not holds:
        raise UserError(f"{path}: lacks {name} ({what}); {ANEW}")
