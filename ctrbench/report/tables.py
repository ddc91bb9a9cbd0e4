"""The groups of a section as tables: for reading, as numbers, and for LaTeX."""

import json
import re
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report.group import BASELINE, ENVIRONMENT, TIMES, Section, differing, settings_of
from ctrbench.report.markdown import NONE, Rows, cells, markdown
from ctrbench.report.published.printed import CRITEO_ROWS, table2
from ctrbench.settings import nearest


def reading(section: Section) -> pd.DataFrame:
    """What a person reads: cells of text, a row a group; columns without any value left out."""
    groups = section.groups
    shown = pd.DataFrame({"model": groups["model"]})
    shown["settings"] = groups["settings"].replace("", NONE)
    if groups["model"].duplicated().any():
        shown["chosen"] = groups["chosen"].map({True: "*", False: NONE})
    shown["runs"] = groups["runs"].astype(str)
    if "model.dropout" in groups:
        keep = 1 - groups["model.dropout"].astype(float)
        shown["keep prob."] = cells(keep, "{:g}")
    shown["batch"] = groups["trainer.batch_size"].map("{:,}".format)
    for part, head in (("test", ""), ("valid", "valid ")):
        for figure in ("auc", "logloss"):
            shown[head + figure] = mean_and_deviation(groups, f"{part}_{figure}")
        if part == "test" and "test_gauc_mean" in groups:
            shown["gauc"] = mean_and_deviation(groups, "test_gauc")
    shown["s/epoch"] = with_stage(groups, pd.Series(1.0, groups.index))
    shown["time / LR"] = with_stage(groups, groups["seconds_per_epoch"] / groups["time_over_lr"])
    if "test_excess_logloss_mean" in groups:
        shown["excess logloss"] = mean_and_deviation(groups, "test_excess_logloss")
    for version, table in table2(_data(section)).items():
        own = {name: f"{r['auc']:.4f} / {r['logloss']:.5f}" for name, r in table.iterrows()}
        shown[version] = [own.get(name, NONE) for name in groups["model"]]
    return shown.loc[:, (shown != NONE).any()]


def numbers(section: Section) -> pd.DataFrame:
    """The same as numbers, a column each for mean, deviation and count."""
    groups = section.groups
    kept = ["model", "settings", "chosen", "runs"]
    made = groups[kept].copy()
    made.insert(0, "data", section.title)
    apart = {key for _, own in groups.groupby("model") for key in differing(own)}
    made = made.join(groups[sorted(apart)])
    made["batch_size"] = groups["trainer.batch_size"]
    options = [name for name in groups if "." in name]
    figures = [name for name in groups.drop(columns=options) if name.endswith(("_mean", "_std"))]
    times = [*TIMES, "time_over_lr"]
    made = made.join(groups[[*figures, *times, "parameters"]])
    for name in ENVIRONMENT:
        if (short := name.partition(".")[2]) not in made:  # an option that was swept is a group's
            made[short] = section.environment[name]
    for version, table in table2(_data(section)).items():
        for figure in table:
            made[f"{version}_{figure}"] = groups["model"].map(table[figure])
    return made


def latex(shown: pd.DataFrame, caption: str) -> str:
    """A booktabs table of :func:`reading`'s cells."""
    said = re.sub(r"([&%$#_{}])", r"\\\1", caption)
    text: str = shown.to_latex(index=False, escape=True, caption=said)
    return text.replace("±", r"$\pm$")


def text_of(shown: pd.DataFrame) -> str:
    """As Markdown."""
    rows: Rows = shown.to_dict("records")
    return markdown(rows)


def mean_and_deviation(groups: pd.DataFrame, name: str) -> pd.Series:
    """``.76 ± .01``; of a single run its figure."""
    both = [
        mean if std == NONE else f"{mean} ± {std}"
        for mean, std in zip(
            cells(groups[f"{name}_mean"], "{:.5f}"),
            cells(groups[f"{name}_std"], "{:.5f}"),
            strict=True,
        )
    ]
    return pd.Series(both, index=groups.index)


def with_stage(groups: pd.DataFrame, unit: pd.Series) -> pd.Series:
    """Seconds of an epoch over a unit, those of a first stage apart (figure 6)."""
    own = cells(groups["seconds_per_epoch"] / unit, "{:.2f}")
    first = cells(groups["pretrain_seconds_per_epoch"] / unit, " + {:.2f}")
    both = [a if b == NONE else a + b for a, b in zip(own, first, strict=True)]
    return pd.Series(both, index=groups.index)


def other_times(section: Section) -> pd.DataFrame:
    """Times in other environments than the section's: no row where there is one alone."""
    own = pd.Series(section.environment)
    elsewhere = section.times[~(section.times[ENVIRONMENT] == own).all(axis=1)]
    named = elsewhere.merge(section.groups[["group", "model", "settings"]], on="group")
    shown = named[["model", "settings"]].copy()
    for name in ENVIRONMENT:
        shown[name.partition(".")[2]] = named[name].astype(str)
    shown["s/epoch"] = with_stage(named, pd.Series(1.0, named.index))
    return shown.loc[:, (shown != "").any()] if len(shown) else shown


def pivoted(parts: list[Section], columns: str, value: str) -> pd.DataFrame:
    """A row for each model, a column for each setting of the option ``columns``: the test figure
    ``value``. A model that differs in more than that option has a row for each of the others.

    Raises:
        UserError: for a figure that the runs do not have.
    """
    tables = []
    for part in parts:
        table = part.groups.copy()
        if columns not in table:  # of the rows, which a section shares
            table[columns] = part.runs[columns].iloc[0] if columns in part.runs else "null"
        tables.append(table.assign(data=part.title))
    groups = pd.concat(tables, ignore_index=True)
    groups["settings"] = settings_of(groups.drop(columns=columns)).replace("", NONE)
    there = [name[5:-5] for name in groups if name.startswith("test_") and name.endswith("_mean")]
    if value not in there:
        raise UserError(f"experiment.pivot.value={value}: no such figure; {nearest(value, there)}")
    groups["cell"] = mean_and_deviation(groups, f"test_{value}")
    groups[columns] = groups[columns].astype(str)
    index = ["model", "settings"]
    if groups.duplicated([*index, columns]).any():
        index.append("data")
    wide = groups.pivot(index=index, columns=columns, values="cell")
    rows = groups[index].drop_duplicates()  # pivot sorts; rows and columns stay as they came
    wide = wide.reindex(pd.MultiIndex.from_frame(rows), columns=groups[columns].unique())
    wide = wide.fillna(NONE).reset_index().rename_axis(columns=None)
    return wide.loc[:, (wide != NONE).any()]


def notes(section: Section) -> list[str]:
    """What a reader must know of the figures."""
    run, groups = section.runs.iloc[0], section.groups
    rows = {part: int(run[f"dataset.rows.{part}"]) for part in ("train", "valid", "test")}
    seeds = ", mean ± deviation of several seeds" if groups["runs"].max() > 1 else ""
    said = [
        f"AUC and logloss on {rows['test']:,} test rows (train {rows['train']:,}, valid "
        f"{rows['valid']:,}; {_split(run)}){seeds}; "
        f"{run['dataset.features']:,} features in {run['dataset.fields']} fields. Times measured "
        f"on {machine(section.environment)}."
    ]
    if "chosen" in groups and groups["model"].duplicated().any():
        said.append("Chosen (*): a model's best setting on the validation rows.")
    if "metrics.test.best_auc" in section.runs and pd.notna(run["metrics.test.best_auc"]):
        said.append(
            f"Best reachable on these rows: AUC {run['metrics.test.best_auc']:.5f}, logloss "
            f"{run['metrics.test.best_logloss']:.5f}; excess logloss is what a model leaves of it."
        )
    if "metrics.test.gauc_groups" in section.runs:
        said.append(_of_groups(section.runs.dropna(subset="metrics.test.gauc_groups").iloc[0]))
    said += _of_times(section)
    commits = section.runs["environment.commit"].dropna().unique()
    if len(commits) > 1:
        said.append(f"These runs come from {len(commits)} commits of the code.")
    if len(lacking := seeds_lacking(section)):
        said.append(
            f"Not all have the same seeds: {lacking}. Tests take those that both sides have."
        )
    return said + _of_the_paper(_data(section), sum(rows.values()))


def _of_times(section: Section) -> list[str]:
    """What times are, and which stand elsewhere."""
    groups, said = section.groups, []
    if len(other_times(section)):
        said.append("Times of other devices, threads, precisions or versions stand apart, below.")
    timed = groups[groups["seconds_per_epoch"].notna()]
    alone = list(timed[timed["time_over_lr"].isna()]["model"].unique())
    if alone and BASELINE in set(timed["model"]):
        said.append(
            "Times relative to LR's are at the same batch size; none of LR at that of "
            f"{', '.join(alone)}."
        )
    if groups["pretrain_seconds_per_epoch"].notna().any():
        said.append("Times of fnn: its own + those of the FM that it starts from, per epoch.")
    return said


def seeds_lacking(section: Section) -> str:
    """Which chosen models lack a seed that another has."""
    chosen = section.groups[section.groups["chosen"]]
    seeds = {
        str(row["model"]): set(section.runs.loc[section.runs["group"] == row["group"], "seed"])
        for _, row in chosen.iterrows()
    }
    every = set[int]().union(*seeds.values())
    gaps = {model: ", ".join(map(str, sorted(every - own))) for model, own in seeds.items()}
    return "; ".join(f"{model} lacks {gap}" for model, gap in gaps.items() if gap)


def _of_groups(run: pd.Series) -> str:
    used, unused, rows = (
        int(run[f"metrics.test.gauc_{name}"])
        for name in ("groups", "groups_left_out", "rows_left_out")
    )
    return (
        f"GAUC: the mean AUC within each value of {run['data.group']}, weighted by rows, of "
        f"{used:,} values; {unused:,} of one class are left out, and {rows:,} rows of them or "
        "without a value."
    )


def _of_the_paper(data: str, rows: int) -> list[str]:
    if not table2(data):
        return ["This is not a data set of the paper; its figures are not shown."]
    said = [
        "The paper's columns (AUC / logloss), as its two versions print them; in that of arXiv the "
        "AUCs of lr_dnn and fm_dnn are swapped. Its split is 9:1 of all rows."
    ]
    if rows != CRITEO_ROWS:
        said.append(
            f"They are for all {CRITEO_ROWS:,} rows of Criteo; these are {rows:,} rows, so the "
            "figures cannot be compared."
        )
    return said


def _data(section: Section) -> str:
    return str(section.runs["data"].iloc[0])


def machine(environment: dict[str, Any]) -> str:
    """What a time was measured on, in words."""
    device, threads, precision, torch = (environment[name] for name in ENVIRONMENT)
    return f"{device}, threads: {threads}, {precision}, torch {torch}"


def _split(run: pd.Series) -> str:
    if "data.train" in run and pd.notna(run["data.train"]):
        return "split by the files"
    shares = ":".join(f"{share:g}" for share in json.loads(run["split.fractions"]))
    return f"split {shares}, {run['split.kind']}"
