"""Settings of verbs and of experiments."""

from dataclasses import dataclass, field, fields
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ctrbench.config.explain import explain_value
from ctrbench.errors import UserError
from ctrbench.settings import check, nearest, option, settings, settings_class, settings_from

MIN_WARMUP = 10  # evaluations at least, and three times the patience


@settings("tune")
@dataclass
class TuneSettings:
    """The keys of ``ctrbench tune`` in addition to those of a run."""

    trials: int = option("trials per model, counted over all restarts", default=30, ge=1)
    warmup: int | None = option(
        "evaluations before a trial may be ended early; null: three times the patience, at least "
        f"{MIN_WARMUP}",
        default=None,
        ge=1,
    )


@dataclass
class ReportSettings:
    """The keys of ``ctrbench report``."""

    results: str | None = option(
        "folder whose runs are read where no FOLDER is named, and which the report is written to",
        default=None,
    )
    name: str | None = option("the report is written to results/report/NAME", default=None)
    x: str | None = option(
        "the option that figures are drawn over; each that was swept, unless it is given",
        default=None,
    )
    slice: str | None = option("field by whose values AUC is sliced", default=None)
    columns: str | None = option(
        "columns of the LaTeX table, auc,logloss,time: also gauc, excess_logloss, valid_auc, "
        "valid_logloss, epoch, best, parameters, seeds, trials, settings",
        default=None,
    )
    style: str | None = option("a matplotlib style file that figures are drawn by", default=None)
    claims: str = option(
        "true: judge the claims of the DeepFM paper on other data than the paper's too",
        default="false",
        choices=("true", "false"),
    )


@settings("rows")
@dataclass
class RowsSettings:
    """The keys of ``ctrbench rows`` in addition to those of a run."""

    out: str | None = option(
        "folder that train.parquet, valid.parquet and test.parquet are written to", default=None
    )


@settings("import")
@dataclass
class ImportSettings:
    """The keys of ``ctrbench import`` in addition to those of a data set."""

    valid: str | None = option("file of the scores of the validation rows", default=None)
    test: str | None = option("file of the scores of the test rows", default=None)
    seed: int = option("seed that the system was trained with", default=0, ge=0, lt=2**31)
    train_s: float | None = option("seconds that its training took", default=None, gt=0)
    note: str | None = option("what gave the scores: version, settings", default=None)
    column: str | None = option(
        "column of the scores; null: probability, logit, or the only one", default=None
    )
    logits: bool = option("the scores are logits", default=False)


@dataclass
class FetchSettings:
    """The keys of ``ctrbench download``."""

    results: str = option("folder that everything goes to", default="results")
    url: str | None = option("another address of the archive", default=None)


@settings("predict")
@dataclass
class PredictSettings:
    """The keys of ``ctrbench predict``."""

    out: str | None = option("file of the probabilities, NAME.parquet or NAME.csv", default=None)
    keep: str | None = option("columns of FILE that out= has too, [user_id,item_id]", default=None)


@settings("export")
@dataclass
class ExportSettings:
    """The keys of ``ctrbench export``."""

    onnx: bool = option("true: write an ONNX file too, and encoder.json", default=False)
    raw: bool = option(
        "true: write an ONNX file from raw numbers and strings to probabilities", default=False
    )


@settings("bench")
@dataclass
class BenchSettings:
    """The keys of ``ctrbench bench`` in addition to those of a run."""

    features: int = option(
        "features of the 39 fields together", default=1_000_000, ge=1_000, lt=2**31
    )
    rows: int = option("rows that batches are drawn from", default=48 * 4_096, ge=1)
    rounds: int = option("how often each figure is measured", default=20, ge=2)
    epochs: int = option("how often a whole epoch beside peers is measured", default=3, ge=2)


@dataclass
class Experiment:
    """The section ``experiment`` of an experiment's YAML file.

    Attributes:
        title: of its report.
        models: what its models have in common, as the registry of models knows it: ``[all]``,
            ``[compared, model.dropout]``; they are the axis ``model``.
        data: the data set or layout whose rows it is about; None: any rows.
        recipes: who published the recipes that its runs follow, those of the data set; they are
            the axis ``recipe``, and ``model=`` chooses among them.
        sweep: the values of each key.
        question: what the experiment asks, above its report.
        headline: what answers it: ``figure`` (a name of ``ctrbench.report.headlines``), with what
            that takes.
        claims: whether the paper's claims are judged, whatever the data is.
        pivot: for a second table: an option, ``columns``, and a test figure, ``value``.
        measure: what is made in place of runs.
    """

    title: str = ""
    models: list[str] = field(default_factory=list)
    data: str | None = None
    recipes: str | None = None
    sweep: dict[str, Any] = field(default_factory=dict)
    question: str = ""
    headline: dict[str, str] = field(default_factory=dict)
    claims: bool = False
    pivot: dict[str, str] | None = None
    measure: str | None = None


def bench_settings(words: list[str]) -> BenchSettings:
    """Return the settings of overrides ``bench.KEY=VALUE``."""
    settings: BenchSettings = verb_settings("bench", words, "bench.")
    return settings


def verb_settings(name: str, words: list[str], prefix: str = "") -> Any:
    """Return the settings of a verb from ``PREFIX KEY=VALUE``, of the class registered as
    ``name``."""
    try:
        values: Any = OmegaConf.from_dotlist([word.removeprefix(prefix) for word in words])
        verb_values = settings_from(name, values)
    except yaml.YAMLError:
        raise UserError(f"{' '.join(words)}: not readable as KEY=VALUE") from None
    except ConfigKeyError as error:
        hint = nearest(str(error.key), getattr(error.object_type, "__dataclass_fields__", ()))
        raise UserError(f"{prefix}{error.key}: no such key; {hint}") from None
    except OmegaConfBaseException as error:
        raise UserError(explain_value(error, prefix)) from None
    check(verb_values, prefix)
    return verb_values


def own_settings(name: str, words: list[str]) -> tuple[Any, list[str]]:
    """Return the settings of a verb's own keys, and the overrides of all others.

    Args:
        name: that the class of the verb's settings is registered as; values are text as it is.
    """
    keys = {field.name for field in fields(settings_class(name))}
    is_own = [word.partition("=")[0] in keys for word in words]
    values = dict(word.split("=", 1) for word, own in zip(words, is_own, strict=True) if own)
    try:
        own = settings_from(name, values)
    except OmegaConfBaseException as error:
        raise UserError(explain_value(error)) from None
    check(own)
    return own, [word for word, own in zip(words, is_own, strict=True) if not own]
