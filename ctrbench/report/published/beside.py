"""A published leaderboard beside the runs that followed its recipes.

A difference is shown where the settings are the recipe's and the rows are as many as the published
ones; else the row says what is different. Where the source's log gives the mean of several runs,
the difference is to that mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report.group import FIGURES, Section
from ctrbench.report.markdown import NONE, Rows, cells
from ctrbench.report.published.printed import leaderboard, published_rows
from ctrbench.runs.record import RunDirectory

Again = Callable[[dict[str, Any]], list[str] | None]
NEAR = 0.001  # of the published figure: what is told as within
COLUMNS = [
    *("auc_published", "published_runs", "published_mean_auc", "published_std_auc"),
    *("auc", "auc_std", "auc_difference"),
    *("logloss_published", "logloss", "logloss_std", "logloss_difference"),
]
# What departs from a recipe; where rows lie and how they were found out does not.
DEPARTING = ("model", "optimizer", "schedule", "trainer", "pretraining", "precision")
ENCODING = tuple(f"data.{key}" for key in ("numeric", "encodings", "bins", "min_count", "exclude"))


@dataclass(frozen=True)
class Leaderboard:
    """Its rows, the best first, each with the runs that followed its recipe.

    Attributes:
        numbers: ``model`` (its published name), ``ours``, ``runs``, the figures, ``says`` (what
            they say side by side, or why they cannot), ``reading`` (how the model is read).
        notes: what a reader must know of it.
    """

    title: str
    numbers: pd.DataFrame
    notes: list[str]

    def reading(self) -> pd.DataFrame:
        """What a person reads: cells of text; columns without any value left out."""
        rows = self.numbers
        shown = rows[["model", "ours"]].copy()
        shown["runs"] = rows["runs"].map(lambda count: str(count) if count else NONE)
        for figure in FIGURES:
            shown[f"{figure} published"] = cells(rows[f"{figure}_published"], "{:.4f}")
            if figure == "auc":
                shown["mean of published runs"] = [_mean(row) for _, row in rows.iterrows()]
            means, stds = cells(rows[figure], "{:.5f}"), cells(rows[f"{figure}_std"], " ± {:.5f}")
            shown[f"{figure} ours"] = [
                mean + std.replace(NONE, "") for mean, std in zip(means, stds, strict=True)
            ]
            shown[f"{figure} difference"] = cells(rows[f"{figure}_difference"], "{:+.5f}")
        shown["in words"], shown["read as"] = rows["says"], rows["reading"]
        shown = shown.replace("", NONE)
        return shown.loc[:, (shown != NONE).any()]

    def rows(self) -> Rows:
        """The same for a page."""
        found: Rows = self.reading().to_dict("records")
        return found


def _mean(row: pd.Series) -> str:
    if pd.isna(row["published_mean_auc"]):
        return NONE
    return (
        f"{row['published_mean_auc']:.5f} ± {row['published_std_auc']:.5f} "
        f"({row['published_runs']:.0f})"
    )


def leaderboards(section: Section, again: Again | None = None) -> list[Leaderboard]:
    """One of each published data set whose recipes runs of a section followed.

    Args:
        again: gives for a run's config the words that make it again, by which settings that are
            not the recipe's are seen.
    """
    runs = section.runs
    if "recipe.source" not in runs:
        return []
    followed = runs[runs["recipe.source"].notna()].drop_duplicates("group")
    names = followed[["recipe.source", "recipe.data"]].drop_duplicates()
    return [
        _leaderboard(section, followed[followed["recipe.data"] == data], source, data, again)
        for source, data in names.itertuples(index=False)
    ]


def _leaderboard(
    section: Section, followed: pd.DataFrame, source: str, data: str, again: Again | None
) -> Leaderboard:
    about, comparable = _of_rows(section, published_rows(source, data))
    printed = leaderboard(source, data)
    groups = section.groups.set_index("group")
    rows = []
    for _, theirs in printed.iterrows():
        own = followed[followed["recipe.model"] == theirs["model"]]
        row = _published(theirs)
        if own.empty:
            lacks = f": {theirs['lacks']}" if theirs["lacks"] else ""
            known = theirs["ours"] and not lacks
            rows.append(row | {"runs": 0, "says": "not run" if known else f"not ours{lacks}"})
        for _, run in own.iterrows():
            departs = _departures(run, again)
            why = departs or ("" if comparable else "other rows")
            rows.append(row | _ours(groups.loc[run["group"]], row, why) | {"reading": _read(run)})
    numbers = pd.DataFrame(rows, columns=["model", "ours", "runs", *COLUMNS, "says", "reading"])
    numbers = numbers.astype(dict.fromkeys(COLUMNS, float)).fillna({"reading": ""})
    title = f"Published on {data} and by the same recipes here"
    return Leaderboard(title, numbers, [*_notes(printed, numbers), about])


def _published(theirs: pd.Series) -> dict[str, Any]:
    """What is printed of a model."""
    return {
        "model": theirs["model"],
        "ours": "" if theirs["lacks"] else theirs["ours"],
        **{f"{figure}_published": float(theirs[figure]) for figure in FIGURES},
        "published_runs": theirs["runs"],
        "published_mean_auc": theirs["mean_auc"],
        "published_std_auc": theirs["std_auc"],
    }


def _ours(group: pd.Series, row: dict[str, Any], why: str) -> dict[str, Any]:
    """What was measured, and what it says beside what is printed.

    Args:
        why: what keeps the two from being compared.
    """
    found: dict[str, Any] = {"ours": group["model"], "runs": int(group["runs"]), "says": why}
    said = []
    for figure in FIGURES:
        ours, theirs = group[f"test_{figure}_mean"], row[f"{figure}_published"]
        if figure == "auc" and not pd.isna(row["published_mean_auc"]):
            theirs = row["published_mean_auc"]
        found |= {figure: ours, f"{figure}_std": group[f"test_{figure}_std"]}
        if not why:
            found[f"{figure}_difference"] = ours - theirs
            said.append(_in_words(figure, ours - theirs))
    if said and row["published_std_auc"] > 0:
        said[0] += _in_deviations(found["auc_difference"] / row["published_std_auc"], row)
    return found | ({"says": ", ".join(said)} if said else {})


def _in_words(figure: str, difference: float) -> str:
    name = {"auc": "AUC"}.get(figure, figure)
    if abs(difference) <= NEAR:
        return f"{name} within {NEAR:g}"
    better = (difference > 0) == (figure == "auc")
    return f"{name} {abs(difference):.4f} {'better' if better else 'worse'}"


def _in_deviations(deviations: float, row: dict[str, Any]) -> str:
    runs = f"the {row['published_runs']:.0f} published runs"
    if abs(deviations) <= 1:
        return f" (within the deviation of {runs})"
    return f" ({abs(deviations):.1f} deviations of {runs})"


def _read(run: pd.Series) -> str:
    reading = run.get("recipe.reading")
    return "" if reading is None or pd.isna(reading) else str(reading)


def _departures(run: pd.Series, again: Again | None) -> str:
    """What of a run's settings is not its recipe's."""
    if again is None:
        return ""
    try:
        words = again(RunDirectory(Path(run["path"])).settings())
    except (UserError, OSError):
        words = None
    if words is None:
        return "its recipe is not known here"
    keys = [(word, word.partition("=")[0]) for word in words]
    own = [w for w, key in keys if key.partition(".")[0] in DEPARTING or key in ENCODING]
    return f"not by the recipe: {', '.join(own)}" if own else ""


def _of_rows(section: Section, theirs: dict[str, int]) -> tuple[str, bool]:
    """Whether the rows are the published ones, in words, and whether they are as many."""
    run = section.runs.iloc[0]
    ours = {part: int(run[f"dataset.rows.{part}"]) for part in ("train", "valid", "test")}
    if ours == theirs:
        return _of_files(run.get("dataset.as_published")), True
    counts = [" / ".join(f"{count:,}" for count in rows.values()) for rows in (ours, theirs)]
    return (
        f"These are other rows: {counts[0]} to train, validate and test, where {counts[1]} were "
        "published. The figures cannot be compared.",
        False,
    )


def _of_files(as_published: Any) -> str:
    """Whether rows that are as many as the published ones are the same, as far as it is known."""
    if as_published is None or pd.isna(as_published):
        return "Rows: as many as the published ones; whether they are the same is not known."
    if as_published:
        return "Rows: the published files themselves, by their MD5."
    return "Rows: as many as the published ones, of other files; the differences are of those too."


def _notes(printed: pd.DataFrame, numbers: pd.DataFrame) -> list[str]:
    run = int((numbers["runs"] > 0).sum())
    not_ours = int(numbers["says"].str.startswith("not ours").sum())
    return [
        f"Published: {printed['source'].iloc[0]}. {len(printed)} results, {run} beside runs of "
        f"ours, {not_ours} whose recipe our models cannot follow. Differences are to the mean of "
        "the published runs where it is known, else to the printed figure; ours are means over "
        "seeds."
    ]
