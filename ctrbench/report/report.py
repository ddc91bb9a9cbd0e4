"""A report from run directories alone. Nothing is trained here."""

from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.markdown import csv_of, markdown, without_tags
from ctrbench.report import tables
from ctrbench.report.bibtex import bibtex_of
from ctrbench.report.broken import check_runs, without_odd_runs
from ctrbench.report.figures.drawing import RULES, Figure, page_models
from ctrbench.report.figures.paper import styled
from ctrbench.report.group import copies, sections
from ctrbench.report.headlines import Answer
from ctrbench.report.latex import chosen_columns
from ctrbench.report.names import metric_title, option_title
from ctrbench.report.output import write_folder
from ctrbench.report.over_data import OverData
from ctrbench.report.page import page
from ctrbench.report.section_report import ReportOptions, SectionReport, Table, section_reports
from ctrbench.report.step_times import find_step_times, step_times_drawing
from ctrbench.results import Results
from ctrbench.runs.frame import FINISHED, find_runs, frame
from ctrbench.settings import NAME


def report_on(
    folders: list[Path],
    results: str | None = None,
    name: str | None = None,
    x: str | None = None,
    field: str | None = None,
    columns: str | None = None,
    style: Path | None = None,
    *,
    claims: bool = False,
) -> str:
    """Report on all runs at or below some folders, or without any, on all in ``results``.

    The report of one folder is written into its ``report``, else into that of ``results`` under a
    name, by default those of the folders. Returns the text.

    Args:
        x: the option to draw figures over; None draws one for each that was swept.
        field: of the data, by whose values the test rows are sliced.
        columns: of the LaTeX table, ``auc,logloss,time``.
        style: a matplotlib style file.
        claims: judge the paper's claims, whatever the data is.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UserError(f"name={name}: not a name; the report goes to results=FOLDER/report/NAME")
    place = Results(results or "results")
    runs = find_runs(folders or [place.runs])
    folder = place.report(name or _report_name(folders))
    if len(folders) == 1 and results is None and name is None:
        folder = folders[0] / "report"
    steps = find_step_times(folders, place)
    options = ReportOptions(x, field, steps, columns=chosen_columns(columns), claims=claims)
    with styled(RULES, style):
        return write_report(runs, folder, "All runs", options)


def _report_name(folders: list[Path]) -> str:
    """Return the names of the folders, with those of their parents where two are equal."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = ["-".join(folder.resolve().parts[-2:]) for folder in folders]
    return "+".join(names) or "runs"


def write_report(
    runs: list[Path],
    folder: Path,
    title: str,
    options: ReportOptions | None = None,
) -> str:
    """Write tables (``table.md``, ``.csv``, ``.tex``), ``models.bib``, figures (``figures/*.png``,
    ``.svg``, ``.pdf``) and one page of all (``index.html``) into a folder; returns the text."""
    options = options or ReportOptions()

    def make(table: pd.DataFrame) -> dict[str, str | bytes]:
        reports = section_reports(sections(table), options)
        with page_models(dict.fromkeys(m for r in reports for m in r.section.groups["model"])):
            return _make_files(title, reports, options, table)

    files, _ = without_odd_runs(check_runs(frame(runs)), make)
    write_folder(folder, files)
    names = dict.fromkeys(name.partition("/")[0] for name in files)
    return f"{files['table.md']!s}\nwritten to {folder}: {', '.join(names)}"


def _make_files(
    title: str, reports: list[SectionReport], options: ReportOptions, table: pd.DataFrame
) -> dict[str, str | bytes]:
    """Return the content of a report's files by their names."""
    pivoted = _pivot(reports, options.pivot) if options.pivot and reports else {}
    answer, last = options.headline.of_all(reports), _last_figures(options.steps)
    over = OverData(reports)
    if over:
        sentence = answer.sentence or over.headline
        answer = Answer(sentence, [*answer.figures, over.figure])
    text = _text(title, options.question, answer, reports, pivoted, over.tables, last, table)
    html = page(title, options.question, answer, reports, pivoted, over.tables, last, table)
    files = _files(reports, answer.figures + last) if reports else {}
    files |= {f"{item.file}.csv": csv_of(item.numbers) for item in over.tables if item.file}
    return {"table.md": text} | files | {"index.html": html}


def _last_figures(steps: dict[str, Any] | None) -> list[Figure]:
    return [] if steps is None else [step_times_drawing(steps)]


def _pivot(reports: list[SectionReport], pivot: dict[str, str]) -> dict[str, pd.DataFrame]:
    title = f"Test {metric_title(pivot['value'])} by {option_title(pivot['columns'])}"
    return {title: tables.pivot_table([report.section for report in reports], **pivot)}


def _text(
    title: str,
    question: str,
    answer: Answer,
    reports: list[SectionReport],
    pivoted: dict[str, pd.DataFrame],
    over: list[Table],
    last: list[Figure],
    table: pd.DataFrame,
) -> str:
    paragraphs = [f"# {title}", *filter(None, (question, answer.sentence))]
    paragraphs += map(_figure_text, answer.figures)
    for item in over:
        paragraphs += [f"{item.title}:", *_table_text(item)]
    for head, cells in pivoted.items():
        paragraphs += [f"{head}:", tables.to_markdown(cells)]
    paragraphs += tables.sections_notes([report.section for report in reports])
    for report in reports:
        paragraphs += _section_text(report)
    paragraphs += map(_figure_text, last)
    return without_tags("\n\n".join(paragraphs + left_out(table))) + "\n"


def _section_text(report: SectionReport) -> list[str]:
    paragraphs = [f"## {report.title}", report.headline, *_table_text(report.settings)]
    paragraphs += _table_text(report.other_times)
    paragraphs += [report.untested] if report.untested else _table_text(report.differences)
    if report.planning.rows:
        paragraphs += [f"{report.planning.title}:", *_table_text(report.planning)]
    for board in report.published:
        paragraphs += [f"{board.title}:", tables.to_markdown(board.table()), *board.notes]
    paragraphs += [report.no_verdicts] if report.no_verdicts else _table_text(report.verdicts)
    paragraphs += map(_figure_text, report.figures)
    for table in report.detail_tables:
        paragraphs += [f"{table.title}:", *_table_text(table)]
    return paragraphs


def _figure_text(figure: Figure) -> str:
    return f"![{figure.title}](figures/{figure.name}.png)\n\n{figure.caption}"


def _table_text(table: Table) -> list[str]:
    if not table.rows:
        return []
    return [*([table.intro] if table.intro else []), markdown(table.rows), *table.notes]


def _files(reports: list[SectionReport], figures: list[Figure]) -> dict[str, str | bytes]:
    """Return tables as numbers and for LaTeX, and the figures, by the names of their files."""
    models = [model for report in reports for model in report.section.groups["model"]]
    files: dict[str, str | bytes] = {
        "table.tex": "\n".join(report.latex for report in reports),
        "models.bib": bibtex_of(models),
    }
    for name, numbers in _numbers(reports).items():
        files[f"{name}.csv"] = csv_of(pd.concat(numbers, ignore_index=True))
    for figure in [*figures, *(figure for report in reports for figure in report.figures)]:
        files[f"figures/{figure.name}.svg"] = figure.on_paper
        files[f"figures/{figure.name}.png"] = figure.png
        files[f"figures/{figure.name}.pdf"] = figure.pdf
    return files


def _numbers(reports: list[SectionReport]) -> dict[str, list[pd.DataFrame]]:
    """Return tables by the name of their file, one of each section."""
    numbers: dict[str, list[pd.DataFrame]] = {}
    for report in reports:
        numbers.setdefault("table", []).append(report.settings.numbers)
        for board in report.published:
            numbers.setdefault("published", []).append(board.numbers.assign(data=report.title))
        for table in (report.verdicts, report.differences, *report.detail_tables):
            if table.file:
                rows = table.numbers.assign(data=report.title)
                numbers.setdefault(table.file, []).append(rows)
    return numbers


def left_out(table: pd.DataFrame) -> list[str]:
    """Return which run directories are not in the tables, and why."""
    repeated = copies(table)
    rest = table[table["state"] != FINISHED]
    paragraphs = []
    if len(repeated):
        paragraphs.append(
            f"{len(repeated)} of the directories hold a run that is in another too; it is counted "
            f"once: {', '.join(repeated['path'])}."
        )
    if len(rest):
        paragraphs += [
            "## Runs without a result",
            tables.to_markdown(rest[["path", "state", "reason"]]),
        ]
    return paragraphs
