"""The validation metric that selects the best weights: AUC, GAUC, logloss or a weighted sum."""

from collections.abc import Mapping
from typing import Any

from ctrbench.errors import UserError
from ctrbench.settings import nearest

SIGNS = {"auc": 1, "gauc": 1, "logloss": -1}  # of a metric's weight, so that more is better
Monitor = str | Mapping[str, float]


def check_monitor(monitor: Any) -> None:
    """Refuse unknown metrics, and weights by which a worse model would be better.

    Raises:
        UserError: naming the key and what is allowed.
    """
    said = f"trainer.monitor={monitor}"
    weights = monitor if isinstance(monitor, Mapping) else dict.fromkeys(metrics_of(monitor))
    if not weights:
        raise UserError(f"{said}: names no figure; give auc, logloss or {{auc: 1, logloss: -1}}")
    for name, weight in weights.items():
        if name not in SIGNS:
            raise UserError(f"{said}: not known; {nearest(str(name), SIGNS)}")
        if isinstance(monitor, Mapping) and not _is_right(weight, SIGNS[name]):
            sign = "more" if SIGNS[name] > 0 else "less"
            raise UserError(f"{said}: the weight of {name} must be {sign} than 0: more is better")
    terms = [] if isinstance(monitor, Mapping) else metrics_of(monitor)
    if len(terms) > 1 and ("logloss" in terms or len(set(terms)) < len(terms)):
        raise UserError(f"{said}: adds up different metrics of which more is better; give weights")


def metrics_of(monitor: Any) -> list[str]:
    """Return the metrics of a monitor: ``auc+gauc`` is the sum of two."""
    if isinstance(monitor, Mapping):
        return list(monitor)
    return [name.strip() for name in str(monitor).split("+")]


def check_groups(monitor: Any, group: str | None) -> None:
    """Refuse GAUC where the data has no groups.

    Args:
        group: the column of the groups.
    """
    if "gauc" in metrics_of(monitor) and group is None:
        raise UserError(
            f"trainer.monitor={monitor}: gauc is measured within groups; declare them, "
            "data.group=COLUMN"
        )


def _is_right(weight: Any, sign: int) -> bool:
    """Return whether a value is a finite number of the given sign."""
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    return is_number and 0 < weight * sign < float("inf")


def name_of(monitor: Monitor) -> str:
    """Return the name of a monitor as text: ``auc``, or ``1 auc - 1 logloss``."""
    if isinstance(monitor, str):
        return monitor
    words = [f"{'+-'[weight < 0]} {abs(weight):g} {name}" for name, weight in monitor.items()]
    return " ".join(words).removeprefix("+ ")


def valid_figures(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the validation metrics of a line of a run's history."""
    return {name: line[f"valid_{name}"] for name in SIGNS if f"valid_{name}" in line}


def is_maximised(monitor: Monitor) -> bool:
    """Return whether more of the monitored value is better: true unless it is the logloss alone."""
    return monitor != "logloss"


def monitored(monitor: Monitor, figures: Mapping[str, Any]) -> Any:
    """Return the monitored value, given the metrics as numbers or columns."""
    if isinstance(monitor, str):
        first, *others = (figures[name] for name in metrics_of(monitor))
        return sum(others, first)
    return sum(weight * figures[name] for name, weight in monitor.items())
