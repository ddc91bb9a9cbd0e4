"""The request for a search: a model, its run with all that is fixed, and its ranges."""

from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ctrbench.config.compose import compose, to_settings, user_folder_of, with_tuned_values
from ctrbench.config.keys import keys_of, values_by_key
from ctrbench.errors import UserError
from ctrbench.runs.command import Command
from ctrbench.runs.plan import RunPlan
from ctrbench.runs.trial import Trial
from ctrbench.settings import digest
from ctrbench.tune.space import SECTIONS, examples, search_space

SEARCHED = "search."
OVERRIDES = "words"  # the attribute of a trial that holds its overrides


def shared_overrides(model: str, words: list[str]) -> list[str]:
    """Return the overrides that all trials of a model share, with tuned values off unless asked
    for."""
    own = [word for word in words if not word.startswith(SEARCHED)]
    fresh = [] if "tuned" in keys_of(own) else ["tuned=none"]
    return with_tuned_values([f"model={model}", *fresh, *own])


class Request:
    """The search for one model's values.

    Args:
        words: KEY=VALUE that all trials share, and ``search.KEY=RANGE``.
    """

    def __init__(self, model: str, words: list[str]) -> None:
        searched = [word for word in words if word.startswith(SEARCHED)]
        self.model, self.given = model, [word for word in words if word not in searched]
        self.words = shared_overrides(model, words)
        self.config = compose(self.words)
        self.base = RunPlan(to_settings(self.config))
        self.space = search_space(model, searched, self.fixed)
        for row in examples(self.space):
            self._check(row)

    @property
    def fixed(self) -> list[str]:
        """Keys of the model, its optimizer and its trainer that the words give a value."""
        keys = values_by_key(self.given)
        return [key for key in keys if key.partition(".")[0] in SECTIONS and "." in key]

    @cached_property
    def data(self) -> str:
        """What the rows' tuned values are found by."""
        name = values_by_key(self.given).get("data.name")
        return str(name or self.config.hydra.runtime.choices["data"])

    @cached_property
    def folder(self) -> Path:
        """Of its trials: another for each space, and for all else that decides a trial."""
        ranges = {one.key: one.text for one in self.space}
        key = digest({"run": self.base.identity, "search": ranges})
        return self.base.results.search(self.data, self.model, key)

    def plan(self, values: list[str]) -> Trial:
        """Plan a trial of some values, given as overrides."""
        overrides = [*self.words, *values]
        config = compose(overrides)
        command = Command(tuple(overrides), user_folder_of(config.hydra))
        return Trial(to_settings(config), self.folder, self.base.source, command)

    def _check(self, values: list[str]) -> None:
        try:
            self.plan(values)
        except UserError as error:
            raise UserError(f"search.{error}") from None

    def defaults(self) -> dict[str, Any]:
        """Return the values that a search begins with: those of the run without a search, or the
        nearest in the ranges."""
        found = {one.key: one.nearest(OmegaConf.select(self.config, one.key)) for one in self.space}
        return {key: value for key, value in found.items() if value is not None}
