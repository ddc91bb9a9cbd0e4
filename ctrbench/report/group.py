"""Runs of the same rows that differ by their seed alone, as one row of a table."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.monitor import Monitor, is_maximised, monitored
from ctrbench.runs.frame import FILES, FINISHED, OPTIONS

BASELINE = "lr"
FIGURES = ("auc", "logloss")
PARTS = ("test", "valid")
ENVIRONMENT = [f"environment.{name}" for name in ("device", "threads", "precision", "torch")]
TO_BEST = "seconds_to_best"
TIMES = ["seconds_per_epoch", "pretrain_seconds_per_epoch", TO_BEST]
ROWS = ("data", "split")  # the settings of what a section shares
SCHEDULE = "trainer.schedule.name"
NUMBER = r"\d+(\.\d+)?(e[-+]?\d+)?"
# Of runs that have them: those of planted rows, of later versions, of grouped rows.
MORE_FIGURES = ("excess_logloss", "gauc", "ne", "rig", "predicted_over_observed")


@dataclass
class Section:
    """What was measured on the same rows.

    Attributes:
        title: the data set, and what tells its rows from others of that name.
        runs: a row a run, a copy of a run left out.
        groups: a row for each setting of each model, in the order of tables: ``model``,
            ``settings`` (those that tell the model's rows apart, as text), ``runs`` (their number),
            ``PART_FIGURE_mean`` and ``_std`` (of one run: NaN; of ``MORE_FIGURES`` those that any
            run has), ``seconds_per_epoch`` and
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
    """The finished runs of a frame by their rows.

    Raises:
        UserError: for two different runs of the same settings and seed.
    """
    finished = table[table["state"] == FINISHED]
    if finished.empty:
        return []
    by_rows = list(finished.groupby(["data", "dataset.content"], sort=False))
    titles = _titles([rows for _, rows in by_rows])
    return [_section(title, rows) for title, (_, rows) in zip(titles, by_rows, strict=True)]


def copies(table: pd.DataFrame) -> pd.DataFrame:
    """The finished runs that are there before: the same run in another directory."""
    finished = table[table["state"] == FINISHED]
    if finished.empty:
        return finished
    return finished[finished.duplicated(["data", "dataset.content", "identity"])]


def _titles(parts: list[pd.DataFrame]) -> list[str]:
    """The data set's name, and the options in which sets of one name differ."""
    firsts = pd.DataFrame([rows.iloc[0] for rows in parts])
    titles = []
    for i in range(len(firsts)):
        row = firsts.iloc[i]
        named = firsts[firsts["data"] == row["data"]]
        keys = [k for k in firsts.columns if k.startswith(("data.", "split.")) and k not in FILES]
        own = [f"{k}={as_text(row[k])}" for k in keys if named[k].nunique(dropna=False) > 1]
        if len(named) > 1 and not own:
            own = [f"rows {row['dataset.content']}"]
        titles.append(", ".join([str(row["data"]), *own]))
    return titles


def _section(title: str, found: pd.DataFrame) -> Section:
    runs = found.drop_duplicates("identity")
    twice = runs[runs.duplicated(["group", "seed"])]
    if len(twice):
        row = twice.iloc[0]
        same = (runs["group"] == row["group"]) & (runs["seed"] == row["seed"])
        raise UserError(
            f"{' and '.join(runs[same]['path'])}: two runs of the same settings and seed "
            f"{row['seed']}; leave one out"
        )
    groups = _in_order(_figures(runs))
    if "seconds.to_best" in found:
        found = found.assign(**{TO_BEST: found["seconds.to_best"] + found["seconds.pretrain"]})
    times = _times(found, list(groups["group"]))
    environment = _commonest(times)
    here = times[_in(times, environment)].set_index("group")[TIMES]
    groups = groups.join(here, on="group")
    groups["time_over_lr"] = groups["seconds_per_epoch"] / _baseline(groups)
    return Section(title, runs, groups, environment, times)


def _figures(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation of each figure of each group, beside the settings that it shares."""
    grouped = runs.groupby("group", sort=False)
    shared = [name for name in runs.columns if name.partition(".")[0] in OPTIONS.difference(ROWS)]
    columns: dict[str, Any] = {"runs": grouped.size()}
    for part, figure in (*product(PARTS, FIGURES), *product(PARTS, MORE_FIGURES)):
        if (name := f"metrics.{part}.{figure}") in runs:
            values = runs[name].astype(float).groupby(runs["group"], sort=False)
            columns[f"{part}_{figure}_mean"] = values.mean()
            columns[f"{part}_{figure}_std"] = values.std()
    sizes = ["parameters.embedding", "parameters.network"]
    columns["parameters"] = grouped[[s for s in sizes if s in runs]].first().sum(axis=1)
    groups = grouped[shared].first().join(pd.DataFrame(columns)).reset_index()
    groups["settings"] = settings_of(groups)
    groups["chosen"] = _chosen(groups)
    return groups


def _in_order(groups: pd.DataFrame) -> pd.DataFrame:
    """In the registry's order, then by the settings' values; a model that it does not know stands
    last."""
    from ctrbench.models.registry import names  # here: it takes torch with it

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
    """The options in which groups of one model differ."""
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
    """Of each row what tells it from its model's others."""
    said = pd.Series("", index=groups.index)
    for _, own in groups.groupby("model", sort=False):
        keys = differing(own)
        for i, row in own.iterrows():
            said[i] = ", ".join(f"{key}={as_text(row[key])}" for key in keys)
    return said


def _chosen(groups: pd.DataFrame) -> pd.Series:
    """Whether a row is its model's best by the validation figure that it is trained for."""
    chosen = pd.Series(False, index=groups.index)
    for _, own in groups.groupby("model", sort=False):
        chosen[best_by_validation(own)] = True
    return chosen


def best_by_validation(groups: pd.DataFrame) -> Any:
    """The index of the row that is best by the validation figure that all are trained for; by the
    logloss where they were trained for different ones."""
    monitors = [_monitor(row) for _, row in groups.iterrows()]
    monitor = monitors[0] if all(other == monitors[0] for other in monitors) else "logloss"
    figures = monitored(monitor, {name: groups[f"valid_{name}_mean"] for name in FIGURES})
    return figures.idxmax() if is_maximised(monitor) else figures.idxmin()


def _monitor(row: pd.Series) -> Monitor:
    """Weights are a column each."""
    if isinstance(name := row.get("trainer.monitor"), str):
        return name
    weights = {name: row.get(f"trainer.monitor.{name}") for name in FIGURES}
    return {name: weight for name, weight in weights.items() if pd.notna(weight)} or "logloss"


def _times(found: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """The mean times of each group in each environment; the same run may be in several."""
    known = [name for name in TIMES if name in found]
    once = found.drop_duplicates(["identity", *ENVIRONMENT])
    times = once.groupby(["group", *ENVIRONMENT], sort=False, dropna=False)[known].mean()
    times = times.astype(float).reset_index().reindex(columns=["group", *ENVIRONMENT, *TIMES])
    return times.sort_values(
        "group", key=lambda column: column.map(order.index), kind="stable", ignore_index=True
    )


def _commonest(times: pd.DataFrame) -> dict[str, Any]:
    counts = times.groupby(ENVIRONMENT, sort=False, dropna=False).size()
    return dict(zip(ENVIRONMENT, counts.idxmax(), strict=True))


def _in(times: pd.DataFrame, environment: dict[str, Any]) -> pd.Series:
    return (times[ENVIRONMENT] == pd.Series(environment)).all(axis=1)


def _baseline(groups: pd.DataFrame) -> pd.Series:
    """For each row the seconds of LR at its batch size: of several LRs the chosen, else the
    first."""
    lr = groups[(groups["model"] == BASELINE) & groups["seconds_per_epoch"].notna()]
    lr = lr.sort_values("chosen", ascending=False, kind="stable")
    by_batch = lr.drop_duplicates("trainer.batch_size").set_index("trainer.batch_size")
    seconds: pd.Series = groups["trainer.batch_size"].map(by_batch["seconds_per_epoch"])
    return seconds.astype(float)


def epoch_seconds(rows: pd.DataFrame) -> pd.Series:
    """Seconds of training an epoch, those of the model that it starts from included."""
    first = rows["pretrain_seconds_per_epoch"].astype(float).fillna(0)
    seconds: pd.Series = rows["seconds_per_epoch"].astype(float) + first
    return seconds


def as_text(value: Any) -> str:
    """A value as an option takes it."""
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return "null"
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
