"""The figure of the validation rows that decides: one of the two, or a sum of both with weights."""

from collections.abc import Mapping
from typing import Any

from ctrbench.errors import UserError
from ctrbench.settings import nearest

SIGNS = {"auc": 1, "logloss": -1}  # of a figure's weight, so that more is better
Monitor = str | Mapping[str, float]


def check_monitor(monitor: Any) -> None:
    """Refuse what is no figure, and weights by which a worse model were better.

    Raises:
        UserError: naming the key and what is allowed.
    """
    said = f"trainer.monitor={monitor}"
    names = monitor if isinstance(monitor, Mapping) else [monitor]
    if not names:
        raise UserError(f"{said}: names no figure; give auc, logloss or {{auc: 1, logloss: -1}}")
    for name in names:
        if name not in SIGNS:
            raise UserError(f"{said}: not known; {nearest(str(name), SIGNS)}")
    for name, weight in monitor.items() if isinstance(monitor, Mapping) else ():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not 0 < weight * SIGNS[name] < float("inf"):
            sign = "more" if SIGNS[name] > 0 else "less"
            raise UserError(f"{said}: the weight of {name} is {sign} than 0, as more is better")


def name_of(monitor: Monitor) -> str:
    """As a line for people calls it: ``auc``, or ``1 auc - 1 logloss``."""
    if isinstance(monitor, str):
        return monitor
    words = [f"{'+-'[weight < 0]} {abs(weight):g} {name}" for name, weight in monitor.items()]
    return " ".join(words).removeprefix("+ ")


def valid_figures(line: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a line of a run's history."""
    return {name: line[f"valid_{name}"] for name in SIGNS}


def is_maximised(monitor: Monitor) -> bool:
    """Whether more of :func:`monitored` is better: of all but the logloss by itself."""
    return monitor != "logloss"


def monitored(monitor: Monitor, figures: Mapping[str, Any]) -> Any:
    """The figure that decides, of ``auc`` and ``logloss``: numbers, or columns of them."""
    if isinstance(monitor, str):
        return figures[monitor]
    return sum(weight * figures[name] for name, weight in monitor.items())
