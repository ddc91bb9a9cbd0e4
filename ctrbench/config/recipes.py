"""Published recipes: which there are, and whether one suits the data of a run."""

from typing import Any

from hydra.core.object_type import ObjectType

from ctrbench.config.compose import choices, compose, initialized_hydra, options_in, to_settings
from ctrbench.config.settings import RunSettings

ENCODING = ("numeric", "encodings", "min_count", "exclude")


def recipe_folders(group: str) -> list[str]:
    """Return who published recipes (``recipe``), or for which data sets (``recipe/SOURCE``)."""
    with initialized_hydra() as loader:
        return options_in(group, loader, ObjectType.GROUP)


def warn_of_other_data(settings: RunSettings) -> str:
    """Return a warning where a recipe is used on other data than its own, or encodes it otherwise.

    Its learning rate, penalties and initial weights are for the values that its encodings give.
    """
    recipe = settings.recipe
    if recipe is None:
        return ""
    name = f"{recipe.source}/{recipe.data}/{settings.model.name}"
    if settings.model.name not in choices(f"recipe/{recipe.source}/{recipe.data}"):
        return ""  # a file of the user's own
    data = to_settings(compose([f"recipe={name}"])).data
    expected, here = (
        {key: getattr(values, key) for key in ENCODING} for values in (data, settings.data)
    )
    if recipe.data == settings.data.name and expected == here:
        return ""
    scaled = ", numbers that its files have scaled" if expected["numeric"] == "unscaled" else ""
    return (
        f"recipe={name} is for data={recipe.data} with {_encodings(expected)}{scaled}; this is "
        f"data={settings.data.name} with {_encodings(here)}: its values may not suit it"
    )


def _encodings(values: dict[str, Any]) -> str:
    texts = {
        key: f"[{', '.join(value)}]" if isinstance(value, list) else str(value)
        for key, value in values.items()
        if value != []
    }
    return ", ".join(f"data.{key}={text}" for key, text in texts.items())
