"""The report as one self-contained page: first the answer, then the evidence, then everything."""

from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.markdown import NONE, Rows, cells
from ctrbench.report import tables
from ctrbench.report.commands import command_cell
from ctrbench.report.dots import leaderboard_table
from ctrbench.report.figures.drawing import Figure
from ctrbench.report.group import ENVIRONMENT, as_text, is_external
from ctrbench.report.headlines import Answer
from ctrbench.report.html import render, slug
from ctrbench.report.leaders import FIGURES
from ctrbench.report.names import metric_title, model_title
from ctrbench.report.section_report import SectionReport
from ctrbench.report.table import Table
from ctrbench.runs.frame import FINISHED

MEASURED = "how-it-was-measured"
PARTS = {  # of a section, in their order on the page
    "leaderboard": "Leaderboard",
    "published": "Published results",
    "claims": "The paper's claims",
    "differences": "Which differences count",
    "figures": "Figures",
    "predictions": "Predictions",
    "settings": "All settings",
}


def page(
    title: str,
    question: str,
    answer: Answer,
    reports: list[SectionReport],
    pivoted: dict[str, pd.DataFrame],
    over: list[Table],
    last: list[Figure],
    runs: pd.DataFrame,
) -> str:
    """Return the page's HTML.

    Args:
        pivoted: tables of all sections, by their title.
        over: tables over data sets.
        answer: of all sections, ahead of them.
        last: figures of all sections, behind them.
        runs: all runs, those without a result too.
    """
    return render(
        "report.html",
        title=title,
        reports=reports,
        over=over,
        pivoted={head: cells.to_dict("records") for head, cells in pivoted.items()},
        question=question,
        answer=answer,
        last=last,
        notes=tables.sections_notes([report.section for report in reports]),
        contents=contents(reports),
        parts=PARTS,
        boards={report.title: leaderboard_table(report) for report in reports},
        states=[states_text(runs)],
        runs=all_runs(runs),
        measured=measurement_notes(runs),
    )


def contents(reports: list[SectionReport]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the list of contents: text, id, and the same of what is below."""
    entries = [
        (
            report.title,
            slug(f"data {report.title}"),
            [
                (text, slug(f"{report.title} {key}"))
                for key, text in PARTS.items()
                if _has_part(report, key)
            ],
        )
        for report in reports
    ]
    return [*entries, ("All runs", "all-runs", []), ("How it was measured", MEASURED, [])]


def _has_part(report: SectionReport, key: str) -> bool:
    present = {
        "published": report.published,
        "claims": report.no_verdicts or report.verdicts.rows,
        "differences": report.differences.rows,
        "figures": report.gallery,
        "predictions": report.details,
    }
    return bool(present.get(key, True))


def states_text(table: pd.DataFrame) -> str:
    """Return how many runs are finished, and how many are in other states."""
    counts = table["state"].value_counts(sort=False)
    return ", ".join(f"{count} {state}" for state, count in counts.items()) + "."


def all_runs(table: pd.DataFrame) -> Rows:
    """Return a row for each run directory, with its state and the command that repeats it."""
    columns = {"model": "model", "data": "data", "seed": "seed", "state": "state"}
    cells_of_runs = pd.DataFrame(
        {
            head: [as_text(v) for v in table[name]] if name in table else NONE
            for name, head in columns.items()
        },
        index=table.index,
    )
    cells_of_runs["model"] = cells_of_runs["model"].map(model_title)
    for part, head in (("test", "test"), ("valid", "validation")):
        for figure in FIGURES:
            name = f"metrics.{part}.{figure}"
            values = table[name].astype(float) if name in table else [float("nan")] * len(table)
            cells_of_runs[f"{head} {metric_title(figure)}"] = cells(values, "{:.5f}")
    if "seconds.train" in table:
        cells_of_runs["training (s)"] = cells(table["seconds.train"].astype(float), "{:.1f}")
    cells_of_runs["reason"] = table["reason"].replace("", NONE)
    cells_of_runs["directory"] = table["path"]
    commands = [command_cell(Path(path)) for path in table["path"]]
    # dtype object: with pyarrow installed pandas would turn cells of Command into plain strings
    cells_of_runs["repeat"] = pd.Series(commands, cells_of_runs.index, dtype=object)
    rows: Rows = cells_of_runs.loc[:, (cells_of_runs != NONE).any()].to_dict("records")
    return rows


def measurement_notes(table: pd.DataFrame) -> list[str]:
    """Return machines, versions, and the rules that hold for all runs."""
    finished = table[table["state"] == FINISHED]
    notes = []
    if len(finished):
        external = is_external(finished)
        counts: Any = finished[~external].groupby(ENVIRONMENT, sort=False, dropna=False).size()
        notes = [
            f"{tables.count_text(count, 'run')} on "
            f"{tables.environment_text(dict(zip(ENVIRONMENT, environment, strict=True)))}."
            for environment, count in counts.items()
        ]
        if external.any():
            notes.append(f"{tables.count_text(int(external.sum()), 'run')} of imported scores.")
        commits = finished.get("environment.commit", pd.Series(dtype=str)).dropna().unique()
        if len(commits):
            notes.append(f"Code: {', '.join(commits)}.")
    without = len(table) - len(finished)
    if without:
        notes.append(
            f"{without} of {len(table)} directories have no result; they are listed with the "
            "reason."
        )
    return [
        *notes,
        "A figure with ± is a mean and its standard deviation over seeds, in tables, figures and "
        "where a point is pointed at; bars and bands beside means are the same deviation.",
        "Weights and settings are chosen on validation rows; the test rows are scored once.",
        "Times are seconds of training, without evaluations, of runs in the same environment; "
        "claims about time are judged by steps measured in turn (reproduce figure6) where there "
        "are any of the same device and precision.",
        "A point of a figure says its values where it is pointed at, or by the arrow keys once the "
        "figure has the focus.",
    ]
