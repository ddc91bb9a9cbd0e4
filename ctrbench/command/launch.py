"""The jobs of a command: checked before the first one starts, then handed to Hydra."""

import itertools
import logging
import os
import sys
from typing import TYPE_CHECKING

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from ctrbench.command.compose import CONF, compose, explain, to_settings
from ctrbench.errors import UserError

if TYPE_CHECKING:
    from ctrbench.runs.planned import Planned

log = logging.getLogger(__name__)


def plan(overrides: list[str]) -> "Planned":
    """The run of a command's words."""
    settings = to_settings(compose(overrides))
    from ctrbench.runs.planned import Planned  # behind what refuses a mistyped command at once

    return Planned(settings)


def plan_sweep(overrides: list[str]) -> list["Planned"]:
    """Every job of a sweep: all are refused or accepted before the first one starts."""
    return [plan(job) for job in jobs(overrides)]


def jobs(overrides: list[str]) -> list[list[str]]:
    """The overrides of every job of a sweep."""
    axes: dict[str, list[str]] = {}
    for override in _parsed(overrides):
        key = override.get_key_element()
        if override.is_sweep_override() and override.is_discrete_sweep():
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        elif override.is_sweep_override():
            raise UserError(f"{key}: only lists, choice(), range() and glob() can be swept")
        else:
            axes[key] = [override.input_line or ""]
    return [list(job) for job in itertools.product(*axes.values())]


def _parsed(overrides: list[str]) -> list[Override]:
    try:
        with initialize_config_dir(CONF, version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()  # it knows what glob() stands for
            return OverridesParser.create(loader).parse_overrides(overrides)
    except HydraException as error:
        raise UserError(explain(error)) from None


def launch(overrides: list[str], multirun: bool) -> None:
    """Hand the job or the sweep to Hydra, with whatever launcher was chosen."""
    import hydra

    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back as they are; main() prints the line
    sys.argv = ["ctrbench", *(["--multirun"] if multirun else []), *overrides]
    hydra.main(version_base="1.3", config_path=CONF, config_name="config")(job)()


def job(config: DictConfig) -> float:
    """One run of a composed config, here or in another process; returns its best validation
    figure, for a sweeper."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from ctrbench.runs.planned import Planned
    from ctrbench.runs.run import run

    planned = Planned(to_settings(config))
    settings = planned.settings
    name = f"{settings.model.name} on {settings.data.name}, seed {settings.seed}"
    log.info("%s", name)
    try:
        result = run(planned)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    test = result["metrics"]["test"]
    log.info(
        "test AUC %.5f, logloss %.5f, best epoch %d: %s",
        *(test["auc"], test["logloss"], result["best_epoch"], planned.directory.path),
    )
    if "best_auc" in test:
        log.info(
            "best reachable AUC %.5f, logloss %.5f; excess logloss %.5f",
            *(test["best_auc"], test["best_logloss"], test["excess_logloss"]),
        )
    figure: float = result["metrics"]["valid"][settings.trainer.monitor]
    return figure
