"""The scores of another system as a run of a data set."""

import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from ctrbench.config.verb_settings import ImportSettings
from ctrbench.data.dataset import Dataset
from ctrbench.data.store.opened import Part, Store
from ctrbench.data.store.raw_rows import row_column
from ctrbench.errors import UserError
from ctrbench.files import locked
from ctrbench.models.registry import names
from ctrbench.runs.command import Command
from ctrbench.runs.record import RunDirectory, relative_paths
from ctrbench.runs.score_files import LEAST, ScoreFormat, Scores
from ctrbench.runs.scores import (
    metrics_of_rows,
    metrics_of_test_rows,
    write_scores,
    write_valid_scores,
)
from ctrbench.settings import NAME, check, digest

UNKNOWN = dict.fromkeys(("device", "threads", "precision", "torch", "commit"))
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Scored:
    """The rows of a split and their logits."""

    rows: Part
    logits_N: npt.NDArray[np.float32]


class ExternalRun:
    """A run to be made of given scores.

    Args:
        name: of the system, in place of a model's.
        settings: all but the scores.
        overrides: those of the data set, which the run's record keeps.
    """

    def __init__(
        self, name: str, dataset: Dataset, settings: ImportSettings, overrides: Sequence[str] = ()
    ) -> None:
        check(settings)
        if not re.fullmatch(NAME, name):
            raise UserError(f"{name}: not a name; use letters, digits, '-', '_' and '.'")
        if name in names():
            raise UserError(f"{name}: is a model of ctrbench; give the scores another name")
        self.dataset, self.settings, self.overrides = dataset, settings, list(overrides)
        self.model: dict[str, Any] = {"name": name, "external": True}
        if settings.note is not None:
            self.model["note"] = settings.note
        self.identity_settings = {
            "model": self.model,
            "optimizer": {},
            "trainer": {},
            "pretraining": None,
            "data": {"name": dataset.settings.name, "content": dataset.content},
            "seed": settings.seed,
            "version": 1,
        }
        self.identity = digest(self.identity_settings)
        path = dataset.results.run(dataset.settings.name, name, self.identity)
        self.directory = RunDirectory(path)

    def store(self, valid: Any, test: Any) -> RunDirectory:
        """Check the scores of the validation and the test rows, and write the run.

        Args:
            valid: as :class:`ctrbench.runs.score_files.Scores` takes them; ``test`` too.

        The same scores may be imported again, for example with the time of training.

        Raises:
            UserError: for scores that are not one for each row of the data set, or others than
                those of an earlier import.
        """
        store = self.dataset.prepare()
        scored = {
            "valid": self._scored(store, "valid", valid),
            "test": self._scored(store, "test", test),
        }
        with locked(self.directory.lock):
            result = self._result(store, scored)
            before = self.directory.result()
            if before is not None and before["metrics"] != result["metrics"]:
                raise UserError(
                    f"{self.directory.path}: has other scores of {self.model['name']}, seed "
                    f"{self.settings.seed}; delete it, or give another name, seed or note"
                )
            self._write(scored, result)
        return self.directory

    def _scored(self, store: Store, name: str, given: Any) -> _Scored:
        own = self.settings
        label, row = self.dataset.source.label, row_column(self.dataset)
        scores = Scores(given, name, ScoreFormat(row, label, own.column, own.logits))
        rows_N = None if scores.rows is None else self.dataset.row_numbers(store, name)
        rows = store.part(name)
        logits_N = scores.logits(rows_N, rows.labels_N)
        if scores.clipped:
            log.warning(
                "%s: %s probabilities nearer to 0 or 1 than %g are taken as that far from them",
                scores.name,
                f"{scores.clipped:,}",
                LEAST,
            )
        return _Scored(rows, logits_N.astype(np.float32))

    def _result(self, store: Store, scored: dict[str, _Scored]) -> dict[str, Any]:
        valid, test = scored["valid"], scored["test"]
        train_s = self.settings.train_s
        return {
            "status": "ok",
            "model": self.model["name"],
            "data": self.dataset.settings.name,
            "seed": self.settings.seed,
            "identity": self.identity,
            "settings": self.identity_settings,
            "metrics": {
                "valid": metrics_of_rows(valid.logits_N, valid.rows),
                "test": metrics_of_test_rows(test.logits_N, test.rows),
            },
            "batch_size": None,
            "seconds_per_epoch": None,
            "pretrain_seconds_per_epoch": None,
            "seconds": {"pretrain": 0.0, "train": train_s, "to_best": train_s},
            "environment": UNKNOWN,
            "dataset": store.summary() | {"as_published": self.dataset.source.as_published()},
        }

    def _write(self, scored: dict[str, _Scored], result: dict[str, Any]) -> None:
        """Write the files of the run, its result last."""
        directory, data = self.directory, self.dataset.source.resolved()
        config = {
            "model": self.model,
            "data": asdict(data),
            "split": asdict(self.dataset.split),
            "optimizer": {},
            "trainer": {},
            "seed": self.settings.seed,
            "results": str(self.dataset.results.folder),
            "classes": {"data": data.registered},
            **Command(tuple(self.overrides)).record(),
        }
        text = yaml.safe_dump(relative_paths(config), sort_keys=False)
        directory.write(directory.config.name, text)
        valid, test = scored["valid"], scored["test"]
        write_scores(directory, test.logits_N, test.rows)
        write_valid_scores(directory, valid.logits_N, valid.rows)
        directory.finish(result | {"files": directory.file_digests()})
