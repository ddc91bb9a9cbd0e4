"""What Hydra runs, here or in another process."""

import logging
import sys

from omegaconf import DictConfig

log = logging.getLogger(__name__)


def job(config: DictConfig) -> float:
    """One run of a composed config; returns its best validation figure, for a sweeper."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from ctrbench.compose import to_settings
    from ctrbench.errors import UserError
    from ctrbench.experiment import run, run_directory

    settings = to_settings(config)
    name = f"{settings.model.name} on {settings.data.name}, seed {settings.seed}"
    log.info("%s", name)
    try:
        result = run(settings)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    test = result["metrics"]["test"]
    log.info(
        "test AUC %.5f, logloss %.5f, best epoch %d: %s",
        *(test["auc"], test["logloss"], result["best_epoch"], run_directory(settings).path),
    )
    if "best_auc" in test:
        log.info(
            "best reachable AUC %.5f, logloss %.5f; excess logloss %.5f",
            *(test["best_auc"], test["best_logloss"], test["excess_logloss"]),
        )
    figure: float = result["metrics"]["valid"][settings.trainer.monitor]
    return figure
