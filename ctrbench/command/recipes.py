"""Published recipes of a data set: which there are, and which a command asks for."""

import re

from hydra.core.object_type import ObjectType

from ctrbench.command.composition.compose import choices, compose, hydra_here
from ctrbench.command.composition.grammar import fixed, values_of
from ctrbench.command.composition.keys import key_of, without
from ctrbench.errors import UserError
from ctrbench.settings import nearest


def folders(group: str) -> list[str]:
    """Who published recipes (``recipe``), or for which data sets (``recipe/SOURCE``)."""
    with hydra_here() as loader:
        return sorted(loader.repository.get_group_options(group, ObjectType.GROUP))


def recipes(source: str, words: list[str]) -> tuple[list[str], list[str]]:
    """The recipes of a source that a command asks for: those of its data set and models.

    Returns:
        Their names ``SOURCE/DATA/MODEL`` in the order of tables, and the command's other words.

    Raises:
        UserError: for a model without a recipe, and for several data sets.
    """
    wanted = values_of("model", words)
    rest = without("model", words)
    if len(values_of("data", words)) > 1:
        raise UserError("data: recipes are those of one data set; give one in a command")
    own = [word for word in fixed(rest) if not key_of(word).startswith("model.")]
    data = compose(own).hydra.runtime.choices["data"]
    known = choices(f"recipe/{source}/{data}")
    for model in wanted:
        if model not in known:
            raise UserError(f"model={model}: {_why_none(source, data, model, known)}")
    return [f"{source}/{data}/{model}" for model in wanted or _in_order(known)], rest


def _in_order(models: list[str]) -> list[str]:
    from ctrbench.models.registry import names  # takes torch with it

    return [name for name in names() if name in models]


def _why_none(source: str, data: str, model: str, known: list[str]) -> str:
    """What the source prints of a model that has no recipe."""
    from ctrbench.report.published.printed import leaderboard

    printed = leaderboard(source, data)
    for _, row in printed.iterrows():
        if _plain(row["model"]) == _plain(model):
            figures = f"AUC {row['auc']:.4f}, logloss {row['logloss']:.4f}"
            said = f"{source.upper()} prints {figures} of {row['model']} on {data}"
            if row["ours"] in known:
                return f"{said}; ours of that form is model={row['ours']}"
            return f"{said}, and {row['lacks'] or 'ctrbench has no such model'}"
    return f"{source.upper()} has no recipe of it for {data}; {nearest(model, known)}"


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower().replace("+", "plus").replace("&", ""))
