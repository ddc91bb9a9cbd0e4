"""A trial of a search for values: a run that never looks at the test rows."""

from dataclasses import replace
from pathlib import Path

from ctrbench.config.settings import RunSettings
from ctrbench.data.sources.base import Source
from ctrbench.runs.command import NO_COMMAND, Command
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.record import TrialDirectory


class Trial(RunPlan):
    """Trains as the run of its settings does, whose identity it has, in the folder of a search.

    The stage before it is a trial too.
    """

    scores_test = False

    def __init__(
        self,
        settings: RunSettings,
        folder: Path,
        source: Source | None = None,
        command: Command = NO_COMMAND,
    ) -> None:
        self.folder = folder
        super().__init__(settings, source, command)

    def _new_plan(self, settings: RunSettings) -> "Trial":
        command = replace(self.command, of_pretraining=True)
        return Trial(settings, self.folder / "pretraining", self.source, command)

    @property
    def directory(self) -> TrialDirectory:
        """Where the trial lies."""
        return TrialDirectory(self.folder / self.identity)
