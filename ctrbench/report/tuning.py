"""How much each model was tuned: trials of a search, and settings that stand in the report."""

import pandas as pd

from ctrbench.report.group import Section
from ctrbench.report.names import model_title

TRIALS = "tuned.trials"


def search_trials(section: Section) -> pd.Series:
    """Return for each group the trials of the search that its settings come from; NaN without."""
    if TRIALS not in section.runs:
        return pd.Series(float("nan"), section.groups.index)
    first = section.runs.drop_duplicates("group").set_index("group")[TRIALS]
    trials: pd.Series = section.groups["group"].map(first.astype(float))
    return trials


def chosen_trials(section: Section) -> dict[str, float]:
    """Return the same of each model in its chosen setting."""
    is_chosen = section.groups["chosen"]
    models = section.groups.loc[is_chosen, "model"].astype(str)
    return dict(zip(models, search_trials(section)[is_chosen], strict=True))


def unequal_tuning(section: Section) -> str:
    """Return a sentence where some models were tuned more than others, else nothing."""
    trials, settings = chosen_trials(section), section.groups["model"].value_counts(sort=False)
    parts = []
    if len({str(count) for count in trials.values()}) > 1:
        counts = ", ".join(
            f"{model_title(model)} {'none known' if pd.isna(count) else f'{count:g}'}"
            for model, count in trials.items()
        )
        parts.append(f"trials of a search: {counts}")
    if settings.nunique() > 1:
        counts = ", ".join(f"{model_title(model)} {count}" for model, count in settings.items())
        parts.append(f"settings compared here: {counts}")
    if not parts:
        return ""
    counts = "; ".join(parts)
    return f"The models were not tuned equally, which favours those with more tries; {counts}."
