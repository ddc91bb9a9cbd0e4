"""What decides: names, weights, and the best of several rows by it."""

from typing import Any

import pandas as pd
import pytest
from support import Compose

from ctrbench.errors import UserError
from ctrbench.monitor import is_maximised, monitored, name_of
from ctrbench.report.group import best_by_validation

FIGURES = {"auc": 0.75, "logloss": 0.5, "gauc": 0.625}


def test_figures_and_sums_of_them() -> None:
    for monitor, figure, name in (
        ("auc", 0.75, "auc"),
        ("logloss", 0.5, "logloss"),
        ("auc+gauc", 1.375, "auc+gauc"),
        ({"gauc": 2, "logloss": -1}, 0.75, "2 gauc - 1 logloss"),
        ({"auc": 1, "logloss": -1}, 0.25, "1 auc - 1 logloss"),
        ({"logloss": -0.5, "auc": 2}, 1.25, "- 0.5 logloss + 2 auc"),
    ):
        assert monitored(monitor, FIGURES) == figure
        assert name_of(monitor) == name
        assert is_maximised(monitor) == (monitor != "logloss")


@pytest.mark.parametrize(
    ("value", "message"),
    {
        "acc": "not known; did you mean auc",
        "null": "not known",
        "[auc]": "not known",
        "{auc:1,loglos:-1}": "did you mean logloss",
        "{auc:1,logloss:1}": "the weight of logloss must be less than 0",
        "{auc:-1}": "the weight of auc must be more than 0",
        "{auc:0}": "the weight of auc must be more than 0",
        "{auc:inf}": "the weight of auc",
        "{auc:true}": "the weight of auc",
        "{}": "names no figure",
        "auc+logloss": "adds up different metrics of which more is better",
        "gauc+gauc": "adds up different metrics",
        "auc+gauk": "did you mean gauc",
        "auc+": "not known",
    }.items(),
)
def test_refused(value: str, message: str, settings: Compose) -> None:
    with pytest.raises(UserError, match=rf"^trainer\.monitor=.*{message}"):
        settings("model=lr", f"trainer.monitor={value}")


@pytest.mark.parametrize(
    ("columns", "best"),
    [
        ({}, 1),
        ({"trainer.monitor": ["logloss"] * 3}, 1),
        ({"trainer.monitor": ["auc"] * 3}, 2),
        ({"trainer.monitor": ["auc", "logloss", "auc"]}, 1),
        ({"trainer.monitor.auc": [1.0] * 3, "trainer.monitor.logloss": [-1.0] * 3}, 0),
        ({"trainer.monitor.auc": [1.0] * 3, "trainer.monitor.logloss": [None] * 3}, 2),
        ({"trainer.monitor.auc": [1.0] * 3, "trainer.monitor": [None, None, "logloss"]}, 1),
        ({"trainer.monitor": ["gauc"] * 3, "valid_gauc_mean": [0.5, 0.7, 0.6]}, 1),
        ({"trainer.monitor": ["auc+gauc"] * 3, "valid_gauc_mean": [0.9, 0.7, 0.6]}, 0),
    ],
)
def test_the_best_of_a_report(columns: dict[str, list[Any]], best: int) -> None:
    """By what all were trained for; where that differs, by the logloss."""
    figures = {"valid_auc_mean": [0.78, 0.70, 0.79], "valid_logloss_mean": [0.41, 0.40, 0.50]}
    assert best_by_validation(pd.DataFrame(figures | columns)) == best
