"""What is searched: ``conf/search``, a file for each kind of model, or ``search/MODEL.yaml`` where
a model has one of its own, and the words ``search.KEY=RANGE``.

Ranges are written as Hydra writes them, so that its own sweepers take them too: ``interval(a,b)``,
``range(a,b,step)`` (b is not in it), ``choice(a,b,...)``, ``int(interval(a,b))`` for whole numbers,
and ``tag(log,interval(a,b))`` for a logarithmic scale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from hydra import compose as hydra_compose
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import OmegaConf

from ctrbench.config.compose import (
    UNTUNED,
    choices,
    compose,
    initialized_hydra,
    translated_hydra_errors,
)
from ctrbench.errors import UserError

if TYPE_CHECKING:
    import optuna

SECTIONS = ("model", "optimizer", "trainer")
WITHIN = 0.382  # of a range: where no number is whole that need not be
TAKES = "give interval(), range(), choice() or tag(log,interval())"

ConfigStore.instance().store("searched", {"defaults": ["_self_", {"search": "???"}]})


@dataclass(frozen=True)
class Range:
    """The range of one key.

    Attributes:
        text: as it was written.
        low, high: the smallest and the largest number; both are in it.
        choices: the values, if they are no numbers in a row.
    """

    key: str
    text: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()

    def suggest(self, trial: "optuna.Trial") -> str:
        """Return the value of a trial, as an override has it."""
        if self.choices:
            return str(trial.suggest_categorical(self.key, self.choices))
        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return self.shown(trial.suggest_int(self.key, low, high, step=step, log=self.log))
        value = trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)
        return self.shown(value)

    def shown(self, value: Any) -> str:
        """Return a value with three digits; more would suggest a precision that no search has."""
        if self.choices:
            return str(value)
        return str(int(value)) if self.whole else f"{value:.3g}"

    def examples(self) -> list[str]:
        """Values that a run must take: each choice, or the ends and one between."""
        if self.choices:
            return list(self.choices)
        between = self.low + WITHIN * (self.high - self.low)
        ends = [self.shown(self.low), self.shown(self.high)]
        return ends if self.whole or self.step else [*ends, str(between)]

    def nearest(self, value: Any) -> Any:
        """Return the nearest value of the range; None if there is none."""
        if self.choices:
            return next((choice for choice in self.choices if choice == str(value)), None)
        if not isinstance(value, int | float):
            return None
        inside = min(max(value, self.low), self.high)
        if self.step:
            inside = self.low + self.step * round((inside - self.low) / self.step)
        return int(inside) if self.whole else inside


def search_space(model: str, words: Iterable[str], fixed: Iterable[str]) -> list[Range]:
    """Return the ranges of a model's keys.

    Args:
        words: ``search.KEY=RANGE``; each adds a key or takes the place of its range.
        fixed: keys that have a value, and are not searched for that reason.
    """
    given = dict(word.removeprefix("search.").split("=", 1) for word in words)
    for key in given.keys() & set(fixed):
        raise UserError(f"search.{key}: {key} has a value too; leave one of them out")
    texts = _declared(model) | given
    ranges = [_range(key, text) for key, text in texts.items() if key not in set(fixed)]
    if not ranges:
        raise UserError(f"model={model}: every key has a value; nothing is left to search")
    return ranges


def _declared(model: str) -> dict[str, str]:
    """Return the ranges in ``search/MODEL.yaml``, ours or the user's; without one, those of its
    kind."""
    name = model
    if model not in choices("search"):
        options = compose([f"model={model}", *UNTUNED]).model
        name = "network" if "dropout" in options else "factorised"
    with initialized_hydra():
        node = hydra_compose("searched", [f"search={name}"]).search
    return dict(_flat(OmegaConf.to_container(node)))


def _flat(node: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _range(key: str, text: str) -> Range:
    if key.partition(".")[0] not in SECTIONS or "." not in key:
        sections = ", ".join(f"{name}.KEY" for name in SECTIONS)
        raise UserError(f"search.{key}: is not searched; what is: {sections}")
    with translated_hydra_errors():
        override = OverridesParser.create().parse_override(f"{key}={text}")
        found = _read(key, text, override)
    if not found.choices and not found.low < found.high:
        raise UserError(f"search.{key}={text}: is empty; {TAKES}")
    if found.log and found.low <= 0:
        raise UserError(f"search.{key}={text}: a logarithmic scale begins above 0")
    return found


def _read(key: str, text: str, override: Override) -> Range:
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        low, high = float(sweep.start or 0), float(sweep.end or 0)
        whole = isinstance(sweep.start, int)
        return Range(key, text, low, high, log="log" in sweep.tags, whole=whole)
    if not isinstance(sweep, ChoiceSweep | RangeSweep):
        raise UserError(f"search.{key}={text}: is one value; {TAKES}")
    values = list(override.sweep_string_iterator())
    if isinstance(sweep, ChoiceSweep) or sweep.shuffle:
        return Range(key, text, choices=tuple(dict.fromkeys(values)))
    low, high = (float(values[0]), float(values[-1])) if values else (0.0, 0.0)
    whole = all(isinstance(each, int) for each in (sweep.start, sweep.stop, sweep.step))
    return Range(key, text, low, high, abs(sweep.step), whole=whole)


def examples(space: list[Range]) -> list[list[str]]:
    """Words of jobs that together have every example of every range."""
    columns = [[f"{one.key}={value}" for value in one.examples()] for one in space]
    return [[word for word in row if word is not None] for row in zip_longest(*columns)]
