"""Train one run into its directory, or find it finished. A finished one is found without torch."""

import logging
from collections.abc import Callable
from typing import Any

from ctrbench.errors import name_pretraining_keys
from ctrbench.files import locked, remove_leftovers
from ctrbench.runs.code import is_other_code
from ctrbench.runs.plan import RunPlan

log = logging.getLogger(__name__)


def run(
    plan: RunPlan, watch: Callable[[list[dict[str, Any]]], None] = lambda history: None
) -> dict[str, Any]:
    """Train, or find the finished run; returns its result.

    Args:
        watch: told the history after every evaluation, the earlier ones of a run that goes on too;
            what it raises ends this start, as an error does.

    Raises:
        UserError: for data that cannot be used, a model too large or a loss that is not finite.
    """
    directory = plan.directory
    with locked(directory.lock):
        remove_leftovers(directory.path)
        ended = directory.path / directory.ended
        if ended.exists() and (damaged := directory.damaged()) is not None:
            log.warning("%s is damaged or missing: training again", damaged)
            ended.unlink()
        if (result := directory.result()) is None:
            with directory.started(plan.settings.title):
                result = _train(plan, watch)
                directory.finish(result)
        else:
            log.info("already finished: %s", directory.path)
            if is_other_code(result.get("code"), plan.settings.model.name):
                log.info("it was trained by other code than this: move it away to train it again")
        directory.checkpoint.unlink(missing_ok=True)
    return result


def _train(plan: RunPlan, watch: Callable[[list[dict[str, Any]]], None]) -> dict[str, Any]:
    from ctrbench.runs.train import Training

    training = Training(plan, watch)
    training.prepare()
    return training.train(_pretraining_result(plan))


def _pretraining_result(plan: RunPlan) -> dict[str, Any] | None:
    """Return the result of the pre-training run: trained now, or found as trained before."""
    if plan.pretraining is not None:
        with name_pretraining_keys():
            return run(plan.pretraining)
    return None if plan.start is None else plan.start.result()
