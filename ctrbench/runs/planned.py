"""A run that is asked for: its settings, checked against its rows, and where it lies."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from ctrbench.config.settings import RunSettings
from ctrbench.data.sources.base import Source
from ctrbench.data.sources.registry import open_source
from ctrbench.data.split import check_fractions
from ctrbench.data.store.crosses import check_crosses, with_crosses
from ctrbench.data.store.grouping import check_group
from ctrbench.data.store.history import check_history, past_encodings
from ctrbench.data.store.opened import Store
from ctrbench.data.store.prepare import content_key, field_encodings, prepare
from ctrbench.errors import UserError, of_first_stage
from ctrbench.files import expanded
from ctrbench.results import Results
from ctrbench.runs.code import code_digests
from ctrbench.runs.record import RunDirectory
from ctrbench.runs.tracker import check_tracker
from ctrbench.settings import check, deciding, digest


class Planned:
    """A run of checked settings, not begun, under way or finished.

    Args:
        source: of the data set, where it is open already.
        overrides: the words of the command that asked for it, which its record keeps; nothing
            depends on them.
        job: its number within its sweep; None of a single run.

    Raises:
        UserError: for settings that contradict each other or the rows.
    """

    scores_test = True

    def __init__(
        self,
        settings: RunSettings,
        source: Source | None = None,
        overrides: Sequence[str] = (),
        job: int | None = None,
    ) -> None:
        self.overrides, self.job = list(overrides), job
        check(settings)
        check_tracker(settings.tracker)
        check_fractions(settings.split)
        self.settings = settings
        by_time = settings.split.kind == "time"
        self.source = source or open_source(settings.data, by_time=by_time)
        self.results = Results(settings.results)
        check_group(self.source)
        encodings = field_encodings(self.source)
        check_history(self.source, settings.split, encodings)
        settings.model.check_fields(encodings | past_encodings(settings.data.history))
        settings.model.check_history(settings.data.history)
        if (crosses := settings.model.crossing()) is not None:
            check_crosses(crosses.fields, encodings)
        self.stage, self.start = self._first_stage()

    def _first_stage(self) -> tuple["Planned | None", RunDirectory | None]:
        """The run of the stage before, unless it is trained already; the directory of its weights.

        Its settings are those of a run on the same rows, from the same seed, asked for by itself.
        """
        stage = self.settings.pretraining
        if stage is None:
            return None, None
        if stage.run:
            directory = RunDirectory(expanded(stage.run))
            result = directory.result()
            if result is None or result["model"] != stage.model.name:
                raise UserError(
                    f"pretraining.run={stage.run}: not a finished run of model={stage.model.name}"
                )
            if result["dataset"]["content"] != self.content:
                raise UserError(
                    f"pretraining.run={stage.run}: was not trained on these rows; leave "
                    "pretraining.run out to train one on them"
                )
            return None, directory
        own = replace(
            self.settings,
            model=stage.model,
            optimizer=stage.optimizer,
            trainer=stage.trainer,
            tuned=stage.tuned,
            pretraining=None,
        )
        with of_first_stage():
            planned = self._plan_stage(own)
        return planned, planned.directory

    def _plan_stage(self, settings: RunSettings) -> "Planned":
        return Planned(settings, self.source)

    @cached_property
    def content(self) -> str:
        """The key of the prepared rows."""
        return content_key(self.source, self.settings.split)

    @cached_property
    def decides(self) -> dict[str, Any]:
        """What decides the result, and nothing else; ``result.json`` keeps it as ``settings``."""
        from ctrbench.machine import resolve_device  # here: a mistake is told before torch is there
        from ctrbench.models.registry import find

        decides = deciding(self.settings)
        del decides["split"]  # is part of the content
        decides["data"] = {"name": self.settings.data.name, "content": self.content}
        decides["device"] = resolve_device(self.settings.device).type
        decides["pretraining"] = self._start_decides(decides)
        decides["version"] = find(self.settings.model).version
        return decides

    @cached_property
    def code(self) -> dict[str, str]:
        """Digests of the code that trains it here."""
        from ctrbench.models.registry import find

        return code_digests(find(self.settings.model))

    @cached_property
    def identity(self) -> str:
        """A hash of what decides the result."""
        return digest(self.decides)

    def _start_decides(self, run: dict[str, Any]) -> Any:
        """What decides the weights that it starts from, where it is not the run's own value. The
        seed of a named run is its own: runs of several seeds that start from it are one setting."""
        shared = {"data", "device", "precision"}
        if self.stage is not None:
            decides, shared = self.stage.decides, shared | {"seed"}
        elif self.start is not None and (result := self.start.result()) is not None:
            decides = result.get("settings", {"identity": result["identity"]})
        else:
            return None
        return {k: v for k, v in decides.items() if k not in shared or v != run[k]}

    @property
    def directory(self) -> RunDirectory:
        """Where the run lies."""
        settings = self.settings
        path = self.results.run(settings.data.name, settings.model.name, self.identity)
        return RunDirectory(path)

    def prepare(self) -> Store:
        """The store of its rows, with the crosses that its model asks for."""
        folder = self.results.store(self.settings.data.name, self.content)
        store = prepare(self.source, self.settings.split, folder)
        return with_crosses(store, self.settings.model.crossing())
