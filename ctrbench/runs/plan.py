"""The plan of a run: checked settings, rows, identity and directory."""

from dataclasses import replace
from functools import cached_property
from typing import Any

from ctrbench.components import component_digest, outside_digest
from ctrbench.config.settings import RunSettings
from ctrbench.data.dataset import Dataset
from ctrbench.data.sources.base import Source
from ctrbench.data.store.history import past_encodings
from ctrbench.data.store.opened import Store
from ctrbench.data.store.sequences import SEQUENCE
from ctrbench.errors import UserError, name_pretraining_keys
from ctrbench.files import expanded
from ctrbench.machine import device_type
from ctrbench.models.registry import find
from ctrbench.monitor import check_groups
from ctrbench.results import Results
from ctrbench.runs.command import NO_COMMAND, Command
from ctrbench.runs.record import RunDirectory
from ctrbench.runs.tracker import check_tracker
from ctrbench.settings import check, digest, identity_settings
from ctrbench.training.settings import PretrainingSettings


class RunPlan:
    """What a run will do: checked settings, the opened source of its rows, its directory.

    Args:
        source: of the rows, if it is open already.
        command: that asked for the run; its record keeps it.

    Attributes:
        dataset: the rows and their split.
        warm_start: the directory of the run that ``start_from`` names, or None.
        pretraining: the plan of the pre-training run, unless its weights are there already.
        start: the directory of the weights to start from, or None.
    """

    scores_test = True

    def __init__(
        self,
        settings: RunSettings,
        source: Source | None = None,
        command: Command = NO_COMMAND,
    ) -> None:
        self.command = command
        check(settings)
        check_tracker(settings.tracker)
        check_groups(settings.trainer.monitor, settings.data.group)
        self.settings, self.results = settings, Results(settings.results)
        self.dataset = Dataset(
            settings.data,
            settings.split,
            self.results,
            source=source,
            crosses=settings.model.crossing(),
        )
        self.source = self.dataset.source
        past = past_encodings(settings.data.history)
        past |= dict.fromkeys(settings.data.sequence_columns, SEQUENCE)
        settings.model.check_fields(self.dataset.encodings | past)
        settings.model.check_history(settings.data.has_past)
        self.warm_start = self._check_warm_start()
        self.pretraining, self.start = self._plan_pretraining()

    def _check_warm_start(self) -> RunDirectory | None:
        """Return the directory of the run to start from, or refuse it."""
        name, model = self.settings.start_from, self.settings.model
        if name is None:
            return None
        if model.pretraining():
            raise UserError(
                f"start_from={name}: model={model.name} starts from a pre-training run; leave one "
                "of them out (model.pretrain=false)"
            )
        directory = RunDirectory(expanded(name))
        if (result := directory.result()) is None:
            raise UserError(f"start_from={name}: not a finished run; name the folder of one")
        before, own = result.get("settings", {}).get("model", {}), identity_settings(model)
        for key in dict.fromkeys(("name", *before, *own)):
            if before.get(key) != own.get(key):
                raise UserError(
                    f"start_from={name}: its model has {key}={before.get(key)}, this one "
                    f"{key}={own.get(key)}; train with the model's options of that run"
                )
        return directory

    def _plan_pretraining(self) -> tuple["RunPlan | None", RunDirectory | None]:
        """Plan the run that trains the first weights: the same rows and seed, its own settings."""
        pretraining = self.settings.pretraining
        if pretraining is None:
            return None, None
        if pretraining.run:
            directory = RunDirectory(expanded(pretraining.run))
            self._check_start(directory, pretraining)
            return None, directory
        settings = replace(
            self.settings,
            model=pretraining.model,
            optimizer=pretraining.optimizer,
            trainer=pretraining.trainer,
            tuned=pretraining.tuned,
            pretraining=None,
        )
        with name_pretraining_keys():
            plan = self._new_plan(settings)
        return plan, plan.directory

    def _check_start(self, directory: RunDirectory, pretraining: PretrainingSettings) -> None:
        result = directory.result()
        if result is None or result["model"] != pretraining.model.name:
            raise UserError(
                f"pretraining.run={pretraining.run}: not a finished run of "
                f"model={pretraining.model.name}"
            )
        if result["dataset"]["content"] != self.content:
            raise UserError(
                f"pretraining.run={pretraining.run}: was not trained on these rows; leave "
                "pretraining.run out to train one on them"
            )

    def _new_plan(self, settings: RunSettings) -> "RunPlan":
        return RunPlan(settings, self.source, replace(self.command, of_pretraining=True))

    @property
    def content(self) -> str:
        """The key of the prepared rows."""
        return self.dataset.content

    @cached_property
    def identity_settings(self) -> dict[str, Any]:
        """All settings that affect the result; ``result.json`` keeps them as ``settings``."""
        values = identity_settings(self.settings)
        del values["split"]  # is part of the content
        values["data"] = {"name": self.settings.data.name, "content": self.content}
        values["device"] = device_type(self.settings.device)
        values["pretraining"] = self._start_settings(values)
        model, optimizer = self.settings.model, self.settings.optimizer
        values["version"] = find(model).version or component_digest(model.name)
        parts = (optimizer, *vars(optimizer).values())
        if codes := [c for part in parts if (c := outside_digest(type(part), "optimizer"))]:
            values["optimizer"]["code"] = codes
        if self.warm_start is not None:
            values["start_from"] = self._warm_start_settings(values)
        return values

    @cached_property
    def identity(self) -> str:
        """A hash of :attr:`identity_settings`."""
        return digest(self.identity_settings)

    def _start_settings(self, values: dict[str, Any]) -> Any:
        """Return the settings of the pre-training run that differ from ``values``.

        A run that is named by ``pretraining.run`` counts with its seed; one that is trained for
        this run does not, so that runs of several seeds are one setting.
        """
        shared = {"data", "device", "precision"}
        if self.pretraining is not None:
            start, shared = self.pretraining.identity_settings, shared | {"seed"}
        elif self.start is not None and (result := self.start.result()) is not None:
            start = result.get("settings", {"identity": result["identity"]})
        else:
            return None
        return {k: v for k, v in start.items() if k not in shared or v != values[k]}

    def _warm_start_settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the identity of the run to start from, and its settings that differ."""
        assert self.warm_start is not None
        result = self.warm_start.result() or {}
        start = result.get("settings", {})
        differing = {k: v for k, v in start.items() if v != values.get(k)}
        return differing | {"identity": result.get("identity")}

    @property
    def directory(self) -> RunDirectory:
        """The directory of the run."""
        settings = self.settings
        path = self.results.run(settings.data.name, settings.model.name, self.identity)
        return RunDirectory(path)

    def prepare(self) -> Store:
        """Prepare the rows, with the crosses of the model, unless they are prepared already."""
        return self.dataset.prepare()
