"""A report from run directories alone. Nothing is trained here."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.report import tables
from ctrbench.report.comparisons import comparisons, note, reading
from ctrbench.report.drawing import Drawing
from ctrbench.report.figures import ablations, heat_maps, is_swept, sweeps
from ctrbench.report.group import Section, copies, sections
from ctrbench.report.html import slug
from ctrbench.report.overview import overview
from ctrbench.report.page import headline, level_with_best, page, part_of
from ctrbench.runs.frame import FINISHED, find_runs, frame
from ctrbench.runs.record import Results
from ctrbench.settings import NAME


def report_on(
    folders: list[Path],
    results: str | None = None,
    name: str | None = None,
    x: str | None = None,
) -> str:
    """The report of all runs at or below some folders, or without any, of all in ``results``.

    It is written beside what it reads: of one folder into its ``report``, else into that of
    ``results`` under a name, by default those of the folders.

    Args:
        x: the option to draw figures over; None draws one for each that was swept.

    Raises:
        UserError: for a folder without runs, a name that is a path, or an option not swept.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UserError(f"name={name}: not a name; the report goes to results=FOLDER/report/NAME")
    place = Results(results or "results")
    runs = find_runs(folders or [place.runs])
    if len(folders) == 1 and results is None and name is None:
        return write_report(runs, folders[0] / "report", "All runs", x=x)
    return write_report(runs, place.report(name or _name(folders)), "All runs", x=x)


def _name(folders: list[Path]) -> str:
    """Of the folders, with that of the folder around them where two share one."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = ["-".join(folder.resolve().parts[-2:]) for folder in folders]
    return "+".join(names) or "runs"


def write_report(
    runs: list[Path],
    folder: Path,
    title: str,
    pivot: dict[str, str] | None = None,
    x: str | None = None,
) -> str:
    """Write tables (``table.md``, ``.csv``, ``.tex``), figures (``figures/*.png``, ``.svg``) and
    one page of all (``index.html``) into a folder; returns the text.

    Args:
        x: as :func:`report_on` takes it.
        pivot: for a second table, of a model's test figure ``value`` under each setting of
            ``columns`` (an option).

    Raises:
        UserError: for two different runs of the same settings and seed.
    """
    table = frame(runs)
    found = _found(sections(table), x)
    pivoted = _pivoted(found, pivot) if pivot and found else {}
    text = _text(title, found, pivoted, table)
    files = {"table.md": text} | _files(found)
    parts = [part_of(one.section, one.compared, one.overview, one.ablations) for one in found]
    files["index.html"] = page(title, parts, pivoted, table)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, content)
    written = dict.fromkeys(name.partition("/")[0] for name in files)
    return f"{text}\nwritten to {folder}: {', '.join(written)}"


@dataclass(frozen=True)
class _Found:
    """A section, and all that is made of it."""

    section: Section
    compared: pd.DataFrame
    overview: list[Drawing]
    ablations: list[Drawing]


def _found(parts: list[Section], x: str | None) -> list[_Found]:
    """What is made of each section; names of figures are told apart where there are several."""
    if x is not None and parts and not any(is_swept(part, x) for part in parts):
        sweeps(parts[0], x)  # says what is
    found = []
    for part in parts:
        compared = comparisons(part)
        seen = overview(part, level_with_best(part, compared))
        drawn = ablations(part, x) if x is None or is_swept(part, x) else []
        prefix = f"{slug(part.title)}-" if len(parts) > 1 else ""
        own = [
            [replace(drawing, name=prefix + drawing.name) for drawing in drawings]
            for drawings in (seen, drawn + (heat_maps(part) if x is None else []))
        ]
        found.append(_Found(part, compared, *own))
    return found


def _pivoted(found: list[_Found], pivot: dict[str, str]) -> dict[str, pd.DataFrame]:
    title = f"Test {pivot['value'].replace('_', ' ')} by {pivot['columns']}"
    return {title: tables.pivoted([one.section for one in found], **pivot)}


def _text(
    title: str, found: list[_Found], pivoted: dict[str, pd.DataFrame], table: pd.DataFrame
) -> str:
    said = [f"# {title}"]
    for head, shown in pivoted.items():
        said += [f"{head}:", tables.text_of(shown)]
    for one in found:
        said += _section(one)
        drawings = one.overview + one.ablations
        said += [f"![{d.title}](figures/{d.name}.png)\n\n{d.says}" for d in drawings]
    return "\n\n".join(said + left_out(table)) + "\n"


def _section(one: _Found) -> list[str]:
    part, compared = one.section, one.compared
    said = [f"## {part.title}", headline(part, compared)]
    said += [tables.text_of(tables.reading(part)), *tables.notes(part)]
    times = tables.other_times(part)
    if len(times):
        said.append(tables.text_of(times))
    if len(compared) and compared["auc_p"].isna().all():
        said.append(f"Differences between the models are {' or '.join(set(compared['test']))}.")
    elif len(compared):
        said += [tables.text_of(reading(compared)), note(compared)]
    return said


def _files(found: list[_Found]) -> dict[str, str | bytes]:
    """Tables as numbers and for LaTeX, and the figures."""
    if not found:
        return {}
    numbers = pd.concat([tables.numbers(one.section) for one in found], ignore_index=True)
    latex = [tables.latex(tables.reading(one.section), one.section.title) for one in found]
    files: dict[str, str | bytes] = {
        "table.csv": numbers.to_csv(index=False),
        "table.tex": "\n".join(latex),
    }
    for one in found:
        for drawing in one.overview + one.ablations:
            files[f"figures/{drawing.name}.svg"] = drawing.on_paper
            files[f"figures/{drawing.name}.png"] = drawing.png
    return files


def left_out(table: pd.DataFrame) -> list[str]:
    """What of the directories does not stand in the tables, and why."""
    again = copies(table)
    rest = table[table["state"] != FINISHED]
    said = []
    if len(again):
        said.append(
            f"{len(again)} of the directories hold a run that stands in another too; it is counted "
            f"once: {', '.join(again['path'])}."
        )
    if len(rest):
        said += ["## Runs without a result", tables.text_of(rest[["path", "state", "reason"]])]
    return said
