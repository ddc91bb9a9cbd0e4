"""The groups of a section as tables: for reading, and as numbers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.markdown import NONE, Rows, cells, markdown
from ctrbench.report.group import (
    BASELINE,
    ENVIRONMENT,
    TIMES,
    Section,
    as_text,
    differing,
    is_external,
    options_of_rows,
    settings_of,
)
from ctrbench.report.names import list_titles, metric_title, model_title
from ctrbench.report.published.printed import CRITEO_ROWS, table2
from ctrbench.report.tuning import search_trials, unequal_tuning
from ctrbench.runs.code import differing_code
from ctrbench.runs.interface import Run
from ctrbench.runs.verify import has_predictions
from ctrbench.settings import nearest


def settings_table(section: Section) -> pd.DataFrame:
    """Return the cells of the table for readers, a row for each group, without empty columns."""
    groups = section.groups
    table = pd.DataFrame({"model": groups["model"].map(model_title)})
    table["settings"] = groups["settings"].replace("", NONE)
    if groups["model"].duplicated().any():
        table["chosen"] = groups["chosen"].map({True: "*", False: NONE})
    table["seeds"] = groups["runs"].astype(str)
    table["trials"] = cells(search_trials(section), "{:g}")
    if "model.dropout" in groups:
        keep = 1 - groups["model.dropout"].astype(float)
        table["keep probability"] = cells(keep, "{:g}")
    table["batch size"] = cells(groups["trainer.batch_size"].astype(float), "{:,.0f}")
    for part, head in (("test", "test"), ("valid", "validation")):
        for figure in ("auc", "logloss"):
            table[f"{head} {metric_title(figure)}"] = mean_and_deviation(groups, f"{part}_{figure}")
        if part == "test" and "test_gauc_mean" in groups:
            table["test GAUC"] = mean_and_deviation(groups, "test_gauc")
    table["time per epoch (s)"] = seconds_text(groups, pd.Series(1.0, groups.index))
    table["time relative to LR"] = seconds_text(
        groups, groups["seconds_per_epoch"] / groups["time_over_lr"]
    )
    if "test_excess_logloss_mean" in groups:
        table["excess logloss"] = mean_and_deviation(groups, "test_excess_logloss")
    for version, printed in table2(_data_name(section)).items():
        paper_cells = {
            name: f"{r['auc']:.4f} / {r['logloss']:.5f}" for name, r in printed.iterrows()
        }
        table[f"paper ({version})"] = [paper_cells.get(name, NONE) for name in groups["model"]]
    return table.loc[:, (table != NONE).any()]


def settings_numbers(section: Section) -> pd.DataFrame:
    """Return the same as numbers, a column each for mean, deviation and count."""
    groups = section.groups
    columns = ["model", "settings", "chosen", "runs"]
    table = groups[columns].assign(trials=search_trials(section))
    table.insert(0, "data", section.title)
    options_of_models = {key for _, rows in groups.groupby("model") for key in differing(rows)}
    table = table.join(groups[sorted(options_of_models)])
    table["batch_size"] = groups["trainer.batch_size"]
    options = [name for name in groups if "." in name]
    figures = [name for name in groups.drop(columns=options) if name.endswith(("_mean", "_std"))]
    times = [*TIMES, "time_over_lr"]
    table = table.join(groups[[*figures, *times, "parameters"]])
    for name in ENVIRONMENT:
        if (short := name.partition(".")[2]) not in table:  # an option that was swept is a group's
            table[short] = section.environment[name]
    for version, printed in table2(_data_name(section)).items():
        for figure in printed:
            table[f"{version}_{figure}"] = groups["model"].map(printed[figure])
    return table


def to_markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    rows: Rows = table.to_dict("records")
    return markdown(rows)


def mean_and_deviation(groups: pd.DataFrame, name: str) -> pd.Series:
    """Return ``.76 ± .01`` for each group; for a single run its figure."""
    both = [
        mean if std == NONE else f"{mean} ± {std}"
        for mean, std in zip(
            cells(groups[f"{name}_mean"], "{:.5f}"),
            cells(groups[f"{name}_std"], "{:.5f}"),
            strict=True,
        )
    ]
    return pd.Series(both, index=groups.index)


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where needed."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def seconds_text(groups: pd.DataFrame, unit: pd.Series) -> pd.Series:
    """Return seconds of an epoch in a unit, as ``2.00 + 5.00`` with pre-training (figure 6)."""
    seconds = cells(groups["seconds_per_epoch"] / unit, "{:.2f}")
    first = cells(groups["pretrain_seconds_per_epoch"] / unit, " + {:.2f}")
    both = [a if b == NONE else a + b for a, b in zip(seconds, first, strict=True)]
    return pd.Series(both, index=groups.index)


def other_times(section: Section) -> pd.DataFrame:
    """Return times in other environments than the section's; no row where there is only one."""
    environment = pd.Series(section.environment)
    elsewhere = section.times[~(section.times[ENVIRONMENT] == environment).all(axis=1)]
    named = elsewhere.merge(section.groups[["group", "model", "settings"]], on="group")
    table = named[["model", "settings"]].copy()
    table["model"] = table["model"].map(model_title)
    for name in ENVIRONMENT:
        table[name.partition(".")[2]] = named[name].astype(str)
    table["time per epoch (s)"] = seconds_text(named, pd.Series(1.0, named.index))
    return table.loc[:, (table != "").any()] if len(table) else table


def pivot_table(parts: list[Section], columns: str, value: str) -> pd.DataFrame:
    """Return the test figure ``value``: a row for each model, a column for each setting of the
    option ``columns``. A model that differs in other options has a row for each of their settings.
    """
    tables = []
    for part in parts:
        table = part.groups.copy()
        if columns not in table:
            table[columns] = part.runs[columns].iloc[0] if columns in part.runs else "null"
        tables.append(table.assign(data=part.title))
    groups = pd.concat(tables, ignore_index=True)
    options = {columns, *options_of_rows([part.runs for part in parts])}  # no settings: other rows
    settings_columns = groups.drop(columns=list(options), errors="ignore")
    groups["settings"] = settings_of(settings_columns).replace("", NONE)
    figures = [name[5:-5] for name in groups if name.startswith("test_") and name.endswith("_mean")]
    if value not in figures:
        raise UserError(
            f"experiment.pivot.value={value}: no such figure; {nearest(value, figures)}"
        )
    groups["cell"] = mean_and_deviation(groups, f"test_{value}")
    groups[columns] = groups[columns].map(as_text)
    index = ["model", "settings"]
    if groups.duplicated([*index, columns]).any():
        index.append("data")
    wide = groups.pivot(index=index, columns=columns, values="cell")
    rows = groups[index].drop_duplicates()  # pivot sorts; rows and columns stay as they came
    wide = wide.reindex(pd.MultiIndex.from_frame(rows), columns=groups[columns].unique())
    wide = wide.fillna(NONE).reset_index().rename_axis(columns=None)
    wide["model"] = wide["model"].map(model_title)
    return wide.loc[:, (wide != NONE).any()]


def settings_notes(section: Section) -> list[str]:
    """Return the notes below the table of a section."""
    run, groups = section.runs.iloc[0], section.groups
    rows = {part: int(run[f"dataset.rows.{part}"]) for part in ("train", "valid", "test")}
    seeds = ", mean ± standard deviation over seeds" if groups["runs"].max() > 1 else ""
    sentences = [
        f"AUC and logloss on {rows['test']:,} test rows (train {rows['train']:,}, valid "
        f"{rows['valid']:,}; {_split_text(run)}){seeds}; "
        f"{_range_text(section, 'features')} features in {_range_text(section, 'fields')} fields. "
        f"Times measured on {environment_text(section.environment)}."
    ]
    others = [name for name in ("train", "valid") if _differs(section, f"dataset.rows.{name}")]
    if others:
        sentences.append(
            f"Runs have the same test rows, but not as many {' and '.join(others)} rows as each "
            "other; settings are chosen on the validation rows of each."
        )
    if "chosen" in groups and groups["model"].duplicated().any():
        sentences.append("Chosen (*): a model's best setting on the validation rows.")
    if "metrics.test.best_auc" in section.runs and pd.notna(run["metrics.test.best_auc"]):
        sentences.append(
            f"Best reachable on these rows: AUC {run['metrics.test.best_auc']:.5f}, logloss "
            f"{run['metrics.test.best_logloss']:.5f}; excess logloss is what a model leaves of it."
        )
    if "metrics.test.gauc_groups" in section.runs:
        sentences.append(_gauc_note(section.runs.dropna(subset="metrics.test.gauc_groups").iloc[0]))
    if "metrics.test.ne" in section.runs:
        worse = section.runs[section.runs["metrics.test.ne"] > 1]
        for name, runs in worse.groupby("model", sort=False):
            sentences.append(
                f"{model_title(name)}: {len(runs)} of {(section.runs['model'] == name).sum()} runs "
                "are worse than predicting the mean click rate for every row."
            )
    sentences += _external_notes(section.runs)
    sentences += _recorded_note(section.runs)
    sentences += _times_notes(section)
    commits = section.runs["environment.commit"].dropna().unique()
    if len(commits) > 1:
        sentences.append(f"These runs come from {len(commits)} commits of the code.")
    sentences += [sentence for sentence in [unequal_tuning(section)] if sentence]
    sentences += differing_code(_code_digests(section.runs))
    if len(lacking := lacking_seeds(section)):
        sentences.append(
            f"Not all have the same seeds: {lacking}. Tests take those that both sides have."
        )
    return sentences + _paper_notes(_data_name(section), sum(rows.values()))


def _external_notes(runs: pd.DataFrame) -> list[str]:
    """Say which scores were imported, and from what."""
    external = runs[is_external(runs)]
    if external.empty:
        return []
    texts = []
    for name, own in external.groupby("model", sort=False):
        notes = own["model.note"].dropna().unique() if "model.note" in own else ()
        texts.append(f"{name}{': ' if len(notes) else ''}{'; '.join(notes)}")
    return [f"Scores of other systems, imported: {'. '.join(texts)}."]


def _recorded_note(runs: pd.DataFrame) -> list[str]:
    """List the runs whose test metrics could not be computed again."""
    recorded = [not has_predictions(Run(Path(path))) for path in runs["path"]]
    counts = runs.loc[recorded, "model"].value_counts(sort=False)
    if counts.empty:
        return []
    models = ", ".join(f"{model_title(model)} {count}" for model, count in counts.items())
    return [
        f"The test metrics of {counts.sum()} of {len(runs)} runs are as recorded, for their logits "
        f"or labels are not here to compute them from ({models})."
    ]


def _code_digests(runs: pd.DataFrame) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yield the model and the digests of the code of each run."""
    for _, run in runs.iterrows():
        digests = {name: run.get(f"code.{name}") for name in ("package", "model")}
        is_known = all(isinstance(value, str) for value in digests.values())
        yield run["model"], {k: str(v) for k, v in digests.items()} if is_known else None


def _differs(section: Section, column: str) -> bool:
    return int(section.runs[column].nunique()) > 1


def sections_notes(sections: list[Section]) -> list[str]:
    """Explain why data sets of one name are several sections."""
    notes = []
    for name in dict.fromkeys(_data_name(section) for section in sections):
        alike = [section.runs for section in sections if _data_name(section) == name]
        if len(alike) > 1:
            options = options_of_rows(alike)
            why = f" by {', '.join(options)}" if options else ""
            notes.append(
                f"{name}: {len(alike)} sections, for their test rows differ{why}; figures on "
                "different test rows are not compared."
            )
    return notes


def _range_text(section: Section, name: str) -> str:
    """Return a count of the rows' encoding, from least to most where runs differ in it."""
    counts = section.runs[f"dataset.{name}"]
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _times_notes(section: Section) -> list[str]:
    """Explain the times, and say which are elsewhere."""
    groups, sentences = section.groups, []
    if len(other_times(section)):
        sentences.append(
            "Times of other devices, threads, precisions or versions stand apart, below."
        )
    timed = groups[groups["seconds_per_epoch"].notna()]
    alone = list(timed[timed["time_over_lr"].isna()]["model"].unique())
    if alone and BASELINE in set(timed["model"]):
        sentences.append(
            "Times relative to LR's are at the same batch size; none of LR at that of "
            f"{list_titles(alone)}."
        )
    if groups["pretrain_seconds_per_epoch"].notna().any():
        sentences.append("Times of FNN: its own + those of the FM that it starts from, per epoch.")
    return sentences


def lacking_seeds(section: Section) -> str:
    """Return as text which chosen models lack a seed that another has."""
    chosen = section.groups[section.groups["chosen"]]
    seeds = {
        str(row["model"]): set(section.runs.loc[section.runs["group"] == row["group"], "seed"])
        for _, row in chosen.iterrows()
    }
    every = set[int]().union(*seeds.values())
    gaps = {
        model: ", ".join(map(str, sorted(every - seeds_of_model)))
        for model, seeds_of_model in seeds.items()
    }
    return "; ".join(f"{model_title(model)} lacks {gap}" for model, gap in gaps.items() if gap)


def _gauc_note(run: pd.Series) -> str:
    used, unused, rows = (
        int(run[f"metrics.test.gauc_{name}"])
        for name in ("groups", "groups_left_out", "rows_left_out")
    )
    return (
        f"GAUC: the mean AUC within each value of {run['data.group']}, weighted by rows, of "
        f"{used:,} values; {unused:,} of one class are left out, and {rows:,} rows of them or "
        "without a value."
    )


def _paper_notes(data: str, rows: int) -> list[str]:
    if not table2(data):
        return ["This is not a data set of the paper; its figures are not shown."]
    sentences = [
        "The paper's columns (AUC / logloss), as its two versions print them; in that of arXiv the "
        "AUCs of LR & DNN and FM & DNN are swapped. Its split is 9:1 of all rows."
    ]
    if rows != CRITEO_ROWS:
        sentences.append(
            f"They are for all {CRITEO_ROWS:,} rows of Criteo; these are {rows:,} rows, so the "
            "figures cannot be compared."
        )
    return sentences


def _data_name(section: Section) -> str:
    return str(section.runs["data"].iloc[0])


def environment_text(environment: dict[str, Any]) -> str:
    """Return as text what times were measured on."""
    if pd.isna(environment["environment.device"]):
        return "the machines of the systems whose scores were imported"
    device, threads, precision, torch = (environment[name] for name in ENVIRONMENT)
    return f"{device}, threads: {threads}, {precision}, torch {torch}"


def _split_text(run: pd.Series) -> str:
    if "data.train" in run and pd.notna(run["data.train"]):
        return "split by the files"
    shares = ":".join(f"{share:g}" for share in json.loads(run["split.fractions"]))
    return f"split {shares}, {run['split.kind']}"
