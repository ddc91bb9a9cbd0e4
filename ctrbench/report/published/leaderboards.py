"""Published leaderboards compared with the runs that followed their recipes.

A difference is shown where the settings are the recipe's and the rows are the published ones, by
the MD5 of their files; else the row says what is different. Where the source's log gives the mean
of several runs, the difference is to that mean.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.config.compose import compose, to_settings
from ctrbench.errors import UserError
from ctrbench.layers.settings import unread
from ctrbench.markdown import NONE, Rows, cells
from ctrbench.report.group import FIGURES, Section, as_text
from ctrbench.report.names import metric_title, model_title
from ctrbench.report.published.printed import leaderboard, published_rows
from ctrbench.runs.frame import flatten
from ctrbench.runs.record import RunDirectory

NEAR = 0.001  # differences up to this are shown as within it
COLUMNS = [
    *("auc_published", "published_runs", "published_mean_auc", "published_std_auc"),
    *("auc", "auc_std", "auc_difference"),
    *("logloss_published", "logloss", "logloss_std", "logloss_difference"),
]
# Options that depart from a recipe; where rows lie does not.
DEPARTING = ("model", "optimizer", "schedule", "trainer", "pretraining", "precision")
ENCODING = tuple(f"data.{key}" for key in ("numeric", "encodings", "bins", "min_count", "exclude"))
OF_ROWS = (*ENCODING, "split.train_share")


@dataclass(frozen=True)
class Leaderboard:
    """A published leaderboard, the best first, each row with the runs that followed its recipe.

    Attributes:
        numbers: ``model`` (its published name), ``ours``, ``runs``, the figures, ``says`` (the
            difference, or why there is none), ``reading`` (how the model is read).
        notes: below the table.
    """

    title: str
    numbers: pd.DataFrame
    notes: list[str]

    def table(self) -> pd.DataFrame:
        """Return the cells of the table for readers, without empty columns."""
        rows = self.numbers
        columns = rows[["model", "ours"]].copy()
        columns["ours"] = columns["ours"].map(model_title)
        columns["runs"] = rows["runs"].map(lambda count: str(count) if count else NONE)
        for figure in FIGURES:
            name = metric_title(figure)
            columns[f"{name} published"] = cells(rows[f"{figure}_published"], "{:.4f}")
            if figure == "auc":
                columns["mean of published runs"] = [
                    _published_mean(row) for _, row in rows.iterrows()
                ]
            means, stds = cells(rows[figure], "{:.5f}"), cells(rows[f"{figure}_std"], " ± {:.5f}")
            columns[f"{name} ours"] = [
                mean + std.replace(NONE, "") for mean, std in zip(means, stds, strict=True)
            ]
            columns[f"{name} difference"] = cells(rows[f"{figure}_difference"], "{:+.5f}")
        columns["in words"], columns["read as"] = rows["says"], rows["reading"]
        columns = columns.replace("", NONE)
        return columns.loc[:, (columns != NONE).any()]

    def rows(self) -> Rows:
        """Return the same as rows."""
        rows: Rows = self.table().to_dict("records")
        return rows


def _published_mean(row: pd.Series) -> str:
    if pd.isna(row["published_mean_auc"]):
        return NONE
    return (
        f"{row['published_mean_auc']:.5f} ± {row['published_std_auc']:.5f} "
        f"({row['published_runs']:.0f})"
    )


def leaderboards(section: Section) -> list[Leaderboard]:
    """Return a leaderboard for each published data set whose recipes runs of a section followed."""
    runs = section.runs
    if "recipe.source" not in runs:
        return []
    followed = runs[runs["recipe.source"].notna()].drop_duplicates("group")
    names = followed[["recipe.source", "recipe.data"]].drop_duplicates()
    return [
        _leaderboard(section, followed[followed["recipe.data"] == data], source, data)
        for source, data in names.itertuples(index=False)
    ]


def _leaderboard(section: Section, followed: pd.DataFrame, source: str, data: str) -> Leaderboard:
    rows_note, comparable = _compare_rows(section, published_rows(source, data))
    printed = leaderboard(source, data)
    groups = section.groups.set_index("group")
    rows = []
    for _, printed_row in printed.iterrows():
        runs = followed[followed["recipe.model"] == printed_row["model"]]
        row = _printed(printed_row)
        if runs.empty:
            lacks = f": {printed_row['lacks']}" if printed_row["lacks"] else ""
            is_ours = printed_row["ours"] and not lacks
            rows.append(row | {"runs": 0, "says": "not run" if is_ours else f"not ours{lacks}"})
        for _, run in runs.iterrows():
            departs = _departures(run)
            why = departs or ("" if comparable else "other rows")
            rows.append(
                row | _measured(groups.loc[run["group"]], row, why) | {"reading": _reading_of(run)}
            )
    numbers = pd.DataFrame(rows, columns=["model", "ours", "runs", *COLUMNS, "says", "reading"])
    numbers = numbers.astype(dict.fromkeys(COLUMNS, float)).fillna({"reading": ""})
    title = f"Published on {data} and by the same recipes here"
    return Leaderboard(title, numbers, [*_notes(printed, numbers), rows_note])


def _printed(printed_row: pd.Series) -> dict[str, Any]:
    """Return what is printed of a model."""
    return {
        "model": printed_row["model"],
        "ours": "" if printed_row["lacks"] else printed_row["ours"],
        **{f"{figure}_published": float(printed_row[figure]) for figure in FIGURES},
        "published_runs": printed_row["runs"],
        "published_mean_auc": printed_row["mean_auc"],
        "published_std_auc": printed_row["std_auc"],
    }


def _measured(group: pd.Series, row: dict[str, Any], why: str) -> dict[str, Any]:
    """Return what was measured, and its difference to what is printed.

    Args:
        why: what keeps the two from being compared.
    """
    cells: dict[str, Any] = {"ours": group["model"], "runs": int(group["runs"]), "says": why}
    differences = []
    for figure in FIGURES:
        mean, published = group[f"test_{figure}_mean"], row[f"{figure}_published"]
        if figure == "auc" and not pd.isna(row["published_mean_auc"]):
            published = row["published_mean_auc"]
        cells |= {figure: mean, f"{figure}_std": group[f"test_{figure}_std"]}
        if not why:
            cells[f"{figure}_difference"] = mean - published
            differences.append(_difference_text(figure, mean - published))
    if differences and row["published_std_auc"] > 0:
        differences[0] += _deviations_text(cells["auc_difference"] / row["published_std_auc"], row)
    return cells | ({"says": ", ".join(differences)} if differences else {})


def _difference_text(figure: str, difference: float) -> str:
    name = metric_title(figure)
    if abs(difference) <= NEAR:
        return f"{name} within {NEAR:g}"
    better = (difference > 0) == (figure == "auc")
    return f"{name} {abs(difference):.4f} {'better' if better else 'worse'}"


def _deviations_text(deviations: float, row: dict[str, Any]) -> str:
    runs = f"the {row['published_runs']:.0f} published runs"
    if abs(deviations) <= 1:
        return f" (within the deviation of {runs})"
    return f" ({abs(deviations):.1f} deviations of {runs})"


def _reading_of(run: pd.Series) -> str:
    reading = run.get("recipe.reading")
    return "" if reading is None or pd.isna(reading) else str(reading)


def _departures(run: pd.Series) -> str:
    """Return as text the settings of a run that are not its recipe's."""
    try:
        config = RunDirectory(Path(run["path"])).settings()
        recipe = config["recipe"]
        expected = _recipe_settings(f"{recipe['source']}/{recipe['data']}/{run['model']}")
    except (UserError, OSError, KeyError, TypeError):
        return "its recipe is not known here"
    own, unread_keys = flatten(config), {f"model.{key}" for key in unread(config["model"])}
    departing = [
        f"{key}={as_text(own[key])}"
        for key in own.keys() & expected.keys() - unread_keys
        if own[key] != expected[key] and (key.partition(".")[0] in DEPARTING or key in OF_ROWS)
    ]
    return f"not by the recipe: {', '.join(sorted(departing))}" if departing else ""


@cache
def _recipe_settings(recipe: str) -> dict[str, Any]:
    """Return the settings of a recipe's run, nested ones by their dotted keys."""
    return flatten(asdict(to_settings(compose([f"recipe={recipe}"]))))


def _compare_rows(section: Section, published_counts: dict[str, int]) -> tuple[str, bool]:
    """Return whether the rows are the published ones, as text and as a boolean."""
    run = section.runs.loc[section.runs["dataset.rows.train"].idxmax()]  # without split.train_share
    rows = {part: int(run[f"dataset.rows.{part}"]) for part in ("train", "valid", "test")}
    if rows == published_counts:
        as_published = run.get("dataset.as_published")
        if pd.notna(as_published) and as_published:
            return "Rows: the published files themselves, by their MD5.", True
        return (
            "Rows: as many as the published ones, but their files are not known to be those, by "
            f"their MD5; `ctrbench download {run['data']}` fetches the published ones. The figures "
            "cannot be compared.",
            False,
        )
    counts = [
        " / ".join(f"{count:,}" for count in counts_of_split.values())
        for counts_of_split in (rows, published_counts)
    ]
    return (
        f"These are other rows: {counts[0]} to train, validate and test, where {counts[1]} were "
        "published. The figures cannot be compared.",
        False,
    )


def _notes(printed: pd.DataFrame, numbers: pd.DataFrame) -> list[str]:
    with_runs = int((numbers["runs"] > 0).sum())
    not_ours = int(numbers["says"].str.startswith("not ours").sum())
    return [
        f"Published: {printed['source'].iloc[0]}. {len(printed)} results, {with_runs} beside runs "
        f"of ours, {not_ours} whose recipe our models cannot follow. Differences are to the mean "
        "of the published runs where it is known, else to the printed figure; ours are means over "
        "seeds."
    ]
