"""Stop a trial before its patience ends."""

import numpy as np
from optuna import Study
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

FEWEST = 5  # trials that have ended, before any is ended early
WORST = 0.25


class Lagging(BasePruner):
    """Ends a trial whose best figure so far is among the worst quarter of what the trials that have
    ended had by the same evaluation, at their end if they ended before.

    Optuna's percentile pruner compares with those alone that went as far, and good trials end by
    their patience long before the slow ones that are to be ended.

    Args:
        warmup: evaluations that every trial is given: networks stand on a plateau at the level of
            an FM for several epochs before they fall below it.
    """

    def __init__(self, warmup: int) -> None:
        self.warmup = warmup

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether to stop the trial after the evaluation that it has just reported."""
        step = trial.last_step
        ended = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        ended = [one for one in ended if one.intermediate_values]
        if step is None or step < self.warmup or len(ended) < FEWEST:
            return False
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        others = [_best(one, step, sign) for one in ended]
        return bool(_best(trial, step, sign) > np.quantile(others, 1 - WORST))


def _best(trial: FrozenTrial, step: int, sign: float) -> float:
    return min(sign * value for at, value in trial.intermediate_values.items() if at <= step)
