"""A report from run directories alone. Nothing is trained here."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.report import tables
from ctrbench.report.comparisons import comparisons, note, reading
from ctrbench.report.drawing import Drawing
from ctrbench.report.figures import ablations, heat_maps, is_swept
from ctrbench.report.group import Section, copies, sections
from ctrbench.runs.frame import FINISHED, find_runs, frame
from ctrbench.runs.record import Results


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
    if name is not None and Path(name).name != name:
        raise UserError(f"name={name}: not a name; the report goes to results=FOLDER/report/NAME")
    place = Results(results or "results")
    runs = find_runs(folders or [place.runs])
    if len(folders) == 1 and results is None and name is None:
        return write_report(runs, folders[0] / "report", "All runs", x=x)
    own = "+".join(folder.resolve().name for folder in folders) or "runs"
    return write_report(runs, place.report(name or own), "All runs", x=x)


def write_report(
    runs: list[Path],
    folder: Path,
    title: str,
    pivot: dict[str, str] | None = None,
    x: str | None = None,
) -> str:
    """Write tables (``table.md``, ``.csv``, ``.tex``) and figures (``figures/*.png``, ``.svg``)
    into a folder; returns the text.

    Args:
        x: as :func:`report_on` takes it.
        pivot: for a second table, of a model's test figure ``value`` under each setting of
            ``columns`` (an option).

    Raises:
        UserError: for two different runs of the same settings and seed.
    """
    table = frame(runs)
    parts = sections(table)
    said = [f"# {title}"]
    if pivot and parts:
        said.append(f"Test {pivot['value'].replace('_', ' ')} by {pivot['columns']}:")
        said.append(tables.text_of(tables.pivoted(parts, **pivot)))
    drawings = _drawings(parts, x)
    for part in parts:
        said += _section(part)
        said += [f"![{d.title}](figures/{d.name}.png)\n\n{d.says}" for d in drawings[part.title]]
    text = "\n\n".join(said + left_out(table)) + "\n"
    files: dict[str, str | bytes] = {"table.md": text}
    if parts:
        numbers = pd.concat([tables.numbers(part) for part in parts], ignore_index=True)
        files["table.csv"] = numbers.to_csv(index=False)
        shown = [tables.latex(tables.reading(part), part.title) for part in parts]
        files["table.tex"] = "\n".join(shown)
    for drawing in itertools.chain(*drawings.values()):
        files[f"figures/{drawing.name}.svg"] = drawing.on_paper
        files[f"figures/{drawing.name}.png"] = drawing.png
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, content)
    written = dict.fromkeys(name.partition("/")[0] for name in files)
    return f"{text}\nwritten to {folder}: {', '.join(written)}"


def _drawings(parts: list[Section], x: str | None) -> dict[str, list[Drawing]]:
    """The figures of each section; their names are told apart where there are several."""
    drawings = {}
    swept = [part for part in parts if x is None or is_swept(part, x)]
    for part in swept or parts[:1]:  # one at least: it says what is swept
        own = [*ablations(part, x), *heat_maps(part)]
        prefix = f"{re.sub(r'[^A-Za-z0-9.]+', '-', part.title)}-" if len(parts) > 1 else ""
        drawings[part.title] = [replace(drawing, name=prefix + drawing.name) for drawing in own]
    return {part.title: drawings.get(part.title, []) for part in parts}


def _section(part: Section) -> list[str]:
    said = [f"## {part.title}", tables.text_of(tables.reading(part)), *tables.notes(part)]
    times = tables.other_times(part)
    if len(times):
        said.append(tables.text_of(times))
    compared = comparisons(part)
    if len(compared) and compared["auc_p"].isna().all():
        said.append(f"Differences between the models are {' or '.join(set(compared['test']))}.")
    elif len(compared):
        said += [tables.text_of(reading(compared)), note(compared)]
    return said


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
