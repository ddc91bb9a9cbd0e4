"""The published recipes that a command asks for, and why there is none of a model."""

import re

from ctrbench.config.compose import choices, compose
from ctrbench.config.grammar import single_valued, values_of
from ctrbench.config.keys import drop_key, key_of
from ctrbench.errors import UserError
from ctrbench.models.registry import names
from ctrbench.settings import nearest


def choose_recipes(source: str, overrides: list[str]) -> tuple[list[str], list[str]]:
    """Return the recipes of a source that a command asks for: those of its data set and models.

    Args:
        source: who published them.

    Returns:
        Their names ``SOURCE/DATA/MODEL`` in the order of tables, and the remaining overrides.
    """
    wanted = values_of("model", overrides)
    rest = drop_key("model", overrides)
    if len(values_of("data", overrides)) > 1:
        raise UserError("data: recipes are those of one data set; give one in a command")
    common = [
        override for override in single_valued(rest) if not key_of(override).startswith("model.")
    ]
    data = compose(common).hydra.runtime.choices["data"]
    available = choices(f"recipe/{source}/{data}")
    for model in wanted:
        if model not in available:
            reason = _explain_missing(source, data, model, available)
            raise UserError(f"model={model}: {reason}")
    models = wanted or [name for name in names() if name in available]
    return [f"{source}/{data}/{model}" for model in models], rest


def _explain_missing(source: str, data: str, model: str, available: list[str]) -> str:
    """Return what the source prints of a model that has no recipe."""
    from ctrbench.report.published.printed import leaderboard  # imports pandas

    for _, row in leaderboard(source, data).iterrows():
        if _normalise(row["model"]) == _normalise(model):
            figures = f"AUC {row['auc']:.4f}, logloss {row['logloss']:.4f}"
            printed = f"{source.upper()} prints {figures} of {row['model']} on {data}"
            if row["ours"] in available:
                return f"{printed}; ours of that form is model={row['ours']}"
            return f"{printed}, and {row['lacks'] or 'ctrbench has no such model'}"
    return f"{source.upper()} has no recipe of it for {data}; {nearest(model, available)}"


def _normalise(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower().replace("+", "plus").replace("&", ""))
