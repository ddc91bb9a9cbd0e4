"""Which trials are ended early, and that networks on a plateau are not."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from ctrbench.tune.pruner import Lagging


def study_of(histories: list[list[float]], direction: str = "minimize") -> optuna.Study:
    """A study of trials that have ended."""
    study = optuna.create_study(direction=direction)
    best = min if direction == "minimize" else max
    for history in histories:
        values = dict(enumerate(history, start=1))
        study.add_trial(
            create_trial(state=TrialState.COMPLETE, value=best(history), intermediate_values=values)
        )
    return study


def ended_at(study: optuna.Study, history: list[float], warmup: int = 10) -> int | None:
    """The evaluation after which a trial of this history is ended."""
    for step in range(1, len(history) + 1):
        seen = dict(enumerate(history[:step], start=1))
        trial = create_trial(state=TrialState.RUNNING, intermediate_values=seen)
        if Lagging(warmup).prune(study, trial):
            return step
    return None


QUICK = [[0.50, 0.47, 0.46 + i / 1000, 0.47, 0.48, 0.49] for i in range(6)]
PLATEAU = [0.52, *[0.48] * 9, 0.44, 0.42]


def test_a_plateau_is_outlasted() -> None:
    assert ended_at(study_of(QUICK), PLATEAU, warmup=11) is None
    assert ended_at(study_of(QUICK), PLATEAU, warmup=4) == 4


def test_a_slow_trial_is_ended_though_none_went_as_far() -> None:
    slow = [0.60 - i / 1000 for i in range(30)]
    assert ended_at(study_of(QUICK), slow) == 10
    assert ended_at(study_of(QUICK[:4]), slow) is None  # too few to compare with


@pytest.mark.parametrize("sign", [1, -1])
def test_only_the_worst_quarter(sign: int) -> None:
    direction = "minimize" if sign == 1 else "maximize"
    study = study_of([[sign * figure] * 3 for figure in (1.0, 2.0, 3.0, 4.0, 5.0)], direction)
    assert ended_at(study, [sign * 3.9] * 12) is None
    assert ended_at(study, [sign * 4.1] * 12) == 10
