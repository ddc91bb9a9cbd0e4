"""A benchmark of click-through-rate models, by the formulae of their papers.

``ctrbench.train("model=fm", "data=planted")`` trains a run, ``ctrbench.open_run(path)`` opens a
finished one, ``ctrbench.load_runs("results")`` returns a table of all runs, and
``ctrbench.prepare("data=planted")`` encodes rows. Nothing heavy is imported before its use.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ctrbench import runs as runs  # callable until 0.4: the old name of load_runs
from ctrbench.version import __version__ as __version__

if TYPE_CHECKING:
    import pandas as pd

    from ctrbench.data.schema import CATEGORICAL as CATEGORICAL
    from ctrbench.data.schema import LABEL as LABEL
    from ctrbench.data.schema import MULTI as MULTI
    from ctrbench.data.schema import NUMERIC as NUMERIC
    from ctrbench.data.schema import Column as Column
    from ctrbench.data.schema import Schema as Schema
    from ctrbench.data.schema import Slice as Slice
    from ctrbench.data.settings import DataSettings as DataSettings
    from ctrbench.data.settings import FileSettings as FileSettings
    from ctrbench.data.sources.base import FileSource as FileSource
    from ctrbench.data.sources.base import Source as Source
    from ctrbench.data.sources.registry import register_source as register_source
    from ctrbench.data.store.opened import Store
    from ctrbench.errors import UserError as UserError
    from ctrbench.layers.embedding import Embedding as Embedding
    from ctrbench.layers.mlp import MLP as MLP
    from ctrbench.layers.mlp import linear as linear
    from ctrbench.layers.settings import MLPSettings as MLPSettings
    from ctrbench.layers.settings import NetworkSettings as NetworkSettings
    from ctrbench.models.base import Model as Model
    from ctrbench.models.registration import register as register
    from ctrbench.models.settings.base import DeepSettings as DeepSettings
    from ctrbench.models.settings.base import FactorisedSettings as FactorisedSettings
    from ctrbench.models.settings.base import ModelSettings as ModelSettings
    from ctrbench.optim.base import Optimizer as Optimizer
    from ctrbench.optim.registry import register_optimizer as register_optimizer
    from ctrbench.optim.settings import OptimizerSettings as OptimizerSettings
    from ctrbench.runs.interface import Run
    from ctrbench.settings import option as option

# What components of a user's own are made from, by the module that has it, imported when used.
_PUBLIC = {
    **dict.fromkeys(("CATEGORICAL", "LABEL", "MULTI", "NUMERIC"), "data.schema"),
    **dict.fromkeys(("Column", "Schema", "Slice"), "data.schema"),
    **dict.fromkeys(("DataSettings", "FileSettings"), "data.settings"),
    **dict.fromkeys(("FileSource", "Source"), "data.sources.base"),
    "register_source": "data.sources.registry",
    "UserError": "errors",
    "Embedding": "layers.embedding",
    **dict.fromkeys(("MLP", "linear"), "layers.mlp"),
    **dict.fromkeys(("MLPSettings", "NetworkSettings"), "layers.settings"),
    "Model": "models.base",
    "register": "models.registration",
    **dict.fromkeys(
        ("DeepSettings", "FactorisedSettings", "ModelSettings"), "models.settings.base"
    ),
    "Optimizer": "optim.base",
    "register_optimizer": "optim.registry",
    "OptimizerSettings": "optim.settings",
    "option": "settings",
    **dict.fromkeys(("report", "sweep", "tune"), "api"),
}


class _CallableModule(ModuleType):
    """A package that is a function of the interface too: ``ctrbench.sweep(...)``."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function of :mod:`ctrbench.api` that has the name of the package."""
        api = importlib.import_module("ctrbench.api")
        return getattr(api, self.__name__.rpartition(".")[2])(*args, **options)


class _Interface(ModuleType):
    """This module. Importing a package sets it as an attribute here, in place of the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if _PUBLIC.get(name) == "api" and isinstance(value, ModuleType):
            value.__class__ = _CallableModule
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Interface


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def open_run(path: str | Path, *, trust: bool = False) -> "Run":
    """Open a finished run: its config, history, logits and model.

    Args:
        trust: execute the file of a model of your own that the run keeps, where the model is asked
            for. Give it only for a run whose code you know.

    Raises:
        UserError: if there is none.
    """
    from ctrbench.files import expanded
    from ctrbench.runs.interface import Run

    return Run(expanded(str(path)), trust=trust)


def load_runs(*folders: str | Path, short: bool = False) -> "pd.DataFrame":
    """Return a table with one row per run below the folders (default: ``results``).

    It always has the columns of model, data, seed, status, metrics and times; of the settings,
    those in which the runs differ. See :func:`ctrbench.runs.frame.select_columns`.

    Args:
        short: only model, data, seed, status, the settings that differ, AUC and logloss.

    Raises:
        UserError: if a folder does not exist or holds no run.
    """
    from ctrbench.runs import frame

    return frame.load_runs(*folders, short=short)


def train(
    *overrides: str,
    data: Any = None,
    label: str | None = None,
    config_dir: str | Path | None = None,
    **options: Any,
) -> "Run":
    """Train one run, or find it finished.

    Args:
        overrides: KEY=VALUE, those of ``ctrbench train``.
        data: the name of a data set, or a data frame of pandas or polars, or an Arrow table, which
            is kept below ``results/frames``.
        label: of a table, the column of clicks.
        config_dir: a folder of your own YAML files and components.
        options: other keys, ``model="fm"``, with ``__`` for a dot: ``trainer__epochs=3``.

    Raises:
        UserError: for overrides that do not fit, data that cannot be used, a loss
            that is not finite.
    """
    from ctrbench.api import train

    return train(*overrides, data=data, label=label, config_dir=config_dir, **options)


def import_scores(
    name: str,
    *overrides: str,
    valid: Any,
    test: Any,
    seed: int = 0,
    train_s: float | None = None,
    note: str | None = None,
    column: str | None = None,
    logits: bool = False,
) -> "Run":
    """Store the scores that another system gave for a data set as a run of it.

    Args:
        name: of the system, in place of a model's.
        overrides: KEY=VALUE, those of the data set and its split.
        valid: the scores of the validation rows: an array, a data frame of pandas, polars or Arrow,
            or the path of a file in CSV, TSV, Parquet or .npy. Where it has a column of row numbers
            (``row``) they may stand in any order, where it has labels these are compared.
        test: the scores of the test rows.
        seed: that the system was trained with.
        train_s: seconds that its training took.
        note: what gave the scores: version, settings.
        column: of the scores; None: ``probability``, ``logit``, or the only one.
        logits: whether they are logits.

    Raises:
        UserError: for scores that are not one finite probability for each row, for other labels, a
            name that is a model's, and other scores than those of an earlier call.
    """
    from ctrbench.config.verb_settings import ImportSettings
    from ctrbench.runs.external import ExternalRun
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(list(overrides))
    dataset.results.check()
    settings = ImportSettings(seed=seed, train_s=train_s, note=note, column=column, logits=logits)
    directory = ExternalRun(name, dataset, settings, overrides).store(valid, test)
    return open_run(directory.path)


def prepare(*overrides: str) -> "Store":
    """Encode a data set, or find it encoded: columns, vocabularies, ids.

    Args:
        overrides: KEY=VALUE, those of ``ctrbench prepare``.

    Raises:
        UserError: for overrides that do not fit, for data that cannot be used.
    """
    from ctrbench.sweep.jobs import plan_dataset

    dataset = plan_dataset(list(overrides))
    dataset.results.check()
    return dataset.prepare()
