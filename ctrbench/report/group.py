"""Sections (runs of the same test rows) and groups (those that differ by seed alone)."""

import json
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ctrbench.models.registry import names
from ctrbench.monitor import SIGNS, Monitor, is_maximised, monitored
from ctrbench.runs.frame import FILES, FINISHED, OPTIONS

BASELINE = "lr"
FIGURES = ("auc", "logloss")
PARTS = ("test", "valid")
ENVIRONMENT = [f"environment.{name}" for name in ("device", "threads", "precision", "torch")]
TO_BEST = "seconds_to_best"
TIMES = ["seconds_per_epoch", "pretrain_seconds_per_epoch", TO_BEST]
ROWS = ("data", "split")  # settings of rows and of their encoding
OF_ROWS = ("data.", "split.")
DOWNLOAD = "data.download."
EXTERNAL = "model.external"
ROW_WEIGHTS = "files.row_weights.npy"
LABELS = "files.labels.npy"  # digest of the labels of the test rows
SCHEDULE = "trainer.schedule.name"
NUMBER = r"\d+(\.\d+)?(e[-+]?\d+)?"
# Of runs that have them: those of planted rows, of later versions, of grouped rows.
OPTIONAL_FIGURES = ("excess_logloss", "gauc", "ne", "rig", "predicted_over_observed")


@dataclass
class Section:
    """The runs on the same test rows, in whatever encoding.

    Attributes:
        title: the data set, and what tells its rows from others of that name.
        runs: a row a run, a copy of a run left out.
        groups: a row for each setting of each model, in the order of tables: ``model``,
            ``settings`` (those that tell the model's rows apart, as text), ``runs`` (their number),
            ``PART_FIGURE_mean`` and ``_std`` (of one run: NaN; of ``OPTIONAL_FIGURES`` those that
            any run has), ``seconds_per_epoch`` and
            ``pretrain_seconds_per_epoch`` (of the runs in ``environment``), ``seconds_to_best`` (of
            training until the evaluation that was chosen, a stage before included),
            ``time_over_lr``, and ``chosen``: whether it is the model's best on the validation rows.
        environment: what most of its groups were timed on.
        times: the times of all environments, a row for each of them and group.
    """

    title: str
    runs: pd.DataFrame
    groups: pd.DataFrame
    environment: dict[str, Any]
    times: pd.DataFrame


def sections(table: pd.DataFrame) -> list[Section]:
    """Group the finished runs of a frame by their test rows."""
    finished = table[table["state"] == FINISHED]
    if finished.empty:
        return []
    names = finished["model"].where(~is_external(finished), finished["model"] + " (external)")
    finished = finished.assign(model=names)
    by_rows = list(finished.groupby(["data", _test_rows(finished)], sort=False))
    titles = _titles([rows for _, rows in by_rows])
    return [_section(title, rows) for title, (_, rows) in zip(titles, by_rows, strict=True)]


def is_external(runs: pd.DataFrame) -> pd.Series:
    """Return whether each run is of imported scores."""
    if EXTERNAL not in runs:
        return pd.Series(False, runs.index)
    marked: pd.Series = runs[EXTERNAL].eq(True).fillna(False).astype(bool)
    return marked


def _test_rows(finished: pd.DataFrame) -> pd.Series:
    """Return what tells the test rows of each run: the digests of their labels and weights, so that
    encodings of one file can be compared; for a run that kept no labels, of its prepared rows."""
    contents: pd.Series = finished["dataset.content"]
    if LABELS not in finished:
        return contents
    with_labels = finished[finished[LABELS].notna()].drop_duplicates("dataset.content")
    digests: pd.Series = contents.map(with_labels.set_index("dataset.content")[LABELS])
    digests = digests.fillna(contents)
    if ROW_WEIGHTS in finished:
        digests += finished[ROW_WEIGHTS].fillna("").astype(str)
    return digests


def _is_of_rows(name: str) -> bool:
    """Return whether a column is an option of rows; files are not, for their content counts."""
    return name.startswith(OF_ROWS) and name not in FILES and not name.startswith(DOWNLOAD)


def copies(table: pd.DataFrame) -> pd.DataFrame:
    """Return the finished runs that repeat an earlier one: the same run in another directory."""
    finished = table[table["state"] == FINISHED]
    if finished.empty:
        return finished
    return finished[finished.duplicated(["data", "dataset.content", "identity"])]


def _titles(parts: list[pd.DataFrame]) -> list[str]:
    """Return the data set's names, with the options in which sets of one name differ."""
    names = [rows["data"].iloc[0] for rows in parts]
    titles = []
    for name, rows in zip(names, parts, strict=True):
        alike = [
            other for other, own_options in zip(parts, names, strict=True) if own_options == name
        ]
        row, options = rows.iloc[0], options_of_rows(alike)
        own_options = [f"{key}={as_text(row[key])}" for key in options]
        if len(alike) > 1 and not own_options:
            own_options = [f"rows {row['dataset.content']}"]
        titles.append(", ".join([str(name), *own_options]))
    return titles


def options_of_rows(parts: list[pd.DataFrame]) -> list[str]:
    """Return the options in which the rows of runs differ from section to section, not within one.

    Args:
        parts: the runs of each section, all of one data set.
    """
    columns = dict.fromkeys(name for rows in parts for name in rows.columns)
    options = list(filter(_is_of_rows, columns))
    values = {k: [{as_text(v) for v in rows[k]} for rows in parts] for k in options}
    return [
        key
        for key, sets in values.items()
        if all(len(values_of_section) == 1 for values_of_section in sets)
        and len(set.union(*sets)) > 1
    ]


def _section(title: str, section_runs: pd.DataFrame) -> Section:
    runs = section_runs.drop_duplicates("identity")
    groups = _sort_groups(_make_groups(runs))
    if "seconds.to_best" in section_runs:
        section_runs = section_runs.assign(
            **{TO_BEST: section_runs["seconds.to_best"] + section_runs["seconds.pretrain"]}
        )
    external = is_external(section_runs)
    times = _mean_times(section_runs[~external], list(groups["group"]))
    environment = _commonest(times)
    times_here = times[_is_in(times, environment)].set_index("group")[TIMES]
    imported = section_runs[external].reindex(columns=["group", TO_BEST])
    times_given = imported.astype({TO_BEST: float}).groupby("group").mean()  # of any machine
    groups = groups.join(pd.concat([times_here, times_given]), on="group")
    groups["time_over_lr"] = groups["seconds_per_epoch"] / _baseline_seconds(groups)
    return Section(title, runs, groups, environment, times)


def _make_groups(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the groups: the settings that their runs share, mean and deviation of each figure."""
    grouped = runs.groupby("group", sort=False)
    shared = [name for name in runs.columns if name.partition(".")[0] in OPTIONS.difference(ROWS)]
    shared += list(filter(_is_of_rows, runs.columns))
    columns: dict[str, Any] = {"runs": grouped.size()}
    for part, figure in (*product(PARTS, FIGURES), *product(PARTS, OPTIONAL_FIGURES)):
        if (name := f"metrics.{part}.{figure}") in runs:
            values = runs[name].astype(float).groupby(runs["group"], sort=False)
            columns[f"{part}_{figure}_mean"] = values.mean()
            columns[f"{part}_{figure}_std"] = values.std()
    sizes = ["parameters.embedding", "parameters.network"]
    own_sizes = grouped[[s for s in sizes if s in runs]].first()
    columns["parameters"] = own_sizes.sum(axis=1, min_count=1)
    groups = grouped[shared].first().join(pd.DataFrame(columns)).reset_index()
    groups["overrides"] = groups["group"].map(_overrides(runs))
    groups["job"] = groups["group"].map(grouped["job"].min()) if "job" in runs else np.nan
    groups["settings"] = settings_of(groups)
    if groups.duplicated(["model", "settings"]).any():  # other files, of the same test rows
        groups["data.content"] = groups["group"].map(grouped["dataset.content"].first())
        groups["settings"] = settings_of(groups)
    groups["chosen"] = _chosen(groups)
    return groups


def _overrides(runs: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return the overrides that each group was asked for with, by key, where they are known."""
    if "overrides" not in runs:
        return {}
    overrides: dict[str, dict[str, str]] = {}
    for group, text in zip(runs["group"], runs["overrides"], strict=True):
        if isinstance(text, str):
            words = [word.lstrip("+~").partition("=") for word in json.loads(text)]
            overrides.setdefault(group, {key: value for key, _, value in words})
    return overrides


def _sort_groups(groups: pd.DataFrame) -> pd.DataFrame:
    """Sort by the registry's order, then by the settings' values; unknown models come last."""
    order = {name: i for i, name in enumerate(names())}
    position = groups["model"].map(lambda name: order.get(name, len(order)))
    natural = groups["settings"].str.replace(
        NUMBER, lambda match: f"{float(match[0]):040.20f}", regex=True
    )
    return (
        groups.assign(position=position, natural=natural)
        .sort_values(["position", "model", "natural"], kind="stable", ignore_index=True)
        .drop(columns=["position", "natural"])
    )


def differing(groups: pd.DataFrame) -> list[str]:
    """Return the options in which groups of one model differ."""
    keys = [
        name
        for name in groups.columns
        if "." in name or name in OPTIONS.difference(ROWS, ["model"])
        if groups[name].nunique(dropna=False) > 1
    ]
    if "model.pretrain" in keys:  # says it all of a stage that only some have
        keys = [key for key in keys if not key.startswith("pretraining")]
    if SCHEDULE in keys:  # and so do the names of schedules that have other keys
        alike = groups.groupby(SCHEDULE, dropna=False)
        keys = [
            key
            for key in keys
            if key == SCHEDULE
            or not key.startswith("trainer.schedule.")
            or alike[key].nunique(dropna=False).max() > 1
        ]
    return sorted(keys)


def settings_of(groups: pd.DataFrame) -> pd.Series:
    """Return as text the settings by which each row differs from its model's others."""
    texts = pd.Series("", index=groups.index)
    for _, rows in groups.groupby("model", sort=False):
        keys = differing(rows)
        for i, row in rows.iterrows():
            texts[i] = ", ".join(f"{key}={as_text(row[key])}" for key in keys)
    return texts


def _chosen(groups: pd.DataFrame) -> pd.Series:
    """Return whether a row is its model's best by the validation figure that it monitors."""
    chosen = pd.Series(False, index=groups.index)
    for _, rows in groups.groupby("model", sort=False):
        chosen[best_by_validation(rows)] = True
    return chosen


def best_by_validation(groups: pd.DataFrame) -> Any:
    """Return the index of the best row by the validation figure that all runs monitor; by the
    logloss where they monitor different ones."""
    monitors = [_monitor(row) for _, row in groups[~is_external(groups)].iterrows()]
    is_common = all(other == monitors[0] for other in monitors)
    monitor = monitors[0] if monitors and is_common else "logloss"
    columns = {name: f"valid_{name}_mean" for name in SIGNS}
    figures = monitored(monitor, {n: groups[c] for n, c in columns.items() if c in groups})
    return figures.idxmax() if is_maximised(monitor) else figures.idxmin()


def _monitor(row: pd.Series) -> Monitor:
    """Return the monitor of a run; its weights are a column each."""
    if isinstance(name := row.get("trainer.monitor"), str):
        return name
    weights = {name: row.get(f"trainer.monitor.{name}") for name in SIGNS}
    return {name: weight for name, weight in weights.items() if pd.notna(weight)} or "logloss"


def _mean_times(section_runs: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Return the mean times of each group in each environment; a run may be in several."""
    columns = [name for name in TIMES if name in section_runs]
    distinct = section_runs.drop_duplicates(["identity", *ENVIRONMENT])
    times = distinct.groupby(["group", *ENVIRONMENT], sort=False, dropna=False)[columns].mean()
    times = times.astype(float).reset_index().reindex(columns=["group", *ENVIRONMENT, *TIMES])
    return times.sort_values(
        "group", key=lambda column: column.map(order.index), kind="stable", ignore_index=True
    )


def _commonest(times: pd.DataFrame) -> dict[str, Any]:
    if times.empty:
        return dict.fromkeys(ENVIRONMENT)
    counts = times.groupby(ENVIRONMENT, sort=False, dropna=False).size()
    return dict(zip(ENVIRONMENT, counts.idxmax(), strict=True))


def _is_in(times: pd.DataFrame, environment: dict[str, Any]) -> pd.Series:
    return (times[ENVIRONMENT] == pd.Series(environment)).all(axis=1)


def _baseline_seconds(groups: pd.DataFrame) -> pd.Series:
    """Return for each row the seconds of LR at its batch size: of several LRs the chosen, else the
    first."""
    lr = groups[(groups["model"] == BASELINE) & groups["seconds_per_epoch"].notna()]
    lr = lr.sort_values("chosen", ascending=False, kind="stable")
    by_batch = lr.drop_duplicates("trainer.batch_size").set_index("trainer.batch_size")
    seconds: pd.Series = groups["trainer.batch_size"].map(by_batch["seconds_per_epoch"])
    return seconds.astype(float)


def epoch_seconds(rows: pd.DataFrame) -> pd.Series:
    """Return seconds of training an epoch, pre-training included."""
    first = rows["pretrain_seconds_per_epoch"].astype(float).fillna(0)
    seconds: pd.Series = rows["seconds_per_epoch"].astype(float) + first
    return seconds


def as_text(value: Any) -> str:
    """Return a value as an option takes it."""
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "null"
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
