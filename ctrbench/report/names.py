"""Names of models, metrics and options as readers know them."""

from collections.abc import Iterable

from ctrbench.models.registry import names, properties_of

METRICS = {"auc": "AUC", "logloss": "logloss", "gauc": "GAUC", "excess_logloss": "excess logloss"}


def model_title(model: str) -> str:
    """Return the name of a model in tables and figures; of one that is not registered its own."""
    return properties_of(model).title if model in names() else model


def list_titles(models: Iterable[str]) -> str:
    """Return the titles of models as "A, B and C"."""
    titles = [model_title(str(model)) for model in models]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def metric_title(name: str) -> str:
    """Return the name of a metric."""
    return METRICS.get(name, name.replace("_", " "))


def option_title(key: str) -> str:
    """Return the last part of an option's name as words."""
    return key.rpartition(".")[2].replace("_", " ")
