"""A report from run directories alone. Nothing is trained here."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.report import tables
from ctrbench.report.figures.drawing import Drawing
from ctrbench.report.found import Found, OverAll, find
from ctrbench.report.group import copies, sections
from ctrbench.report.judged import verdicts
from ctrbench.report.judged.comparisons import note, reading
from ctrbench.report.markdown import markdown
from ctrbench.report.orders import left_by_order
from ctrbench.report.page import headline, page
from ctrbench.report.published.beside import Again
from ctrbench.report.step_times import find_step_times, step_times_drawing
from ctrbench.runs.frame import FINISHED, find_runs, frame
from ctrbench.runs.record import Results
from ctrbench.settings import NAME

TABLES = {
    "table.tex",
    *(f"{name}.csv" for name in ("table", "published", "claims", "calibration", "slices")),
}


def report_on(
    folders: list[Path],
    results: str | None = None,
    name: str | None = None,
    x: str | None = None,
    field: str | None = None,
    again: Again | None = None,
) -> str:
    """The report of all runs at or below some folders, or without any, of all in ``results``.

    It is written beside what it reads: of one folder into its ``report``, else into that of
    ``results`` under a name, by default those of the folders.

    Args:
        x: the option to draw figures over; None draws one for each that was swept.
        field: of the data, by whose values the test rows are sliced.
        again: as :func:`write_report` takes it.

    Raises:
        UserError: for a folder without runs, a name that is a path, an option not swept, or a
            field that the test rows cannot be sliced by.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UserError(f"name={name}: not a name; the report goes to results=FOLDER/report/NAME")
    place = Results(results or "results")
    runs = find_runs(folders or [place.runs])
    folder = place.report(name or _name(folders))
    if len(folders) == 1 and results is None and name is None:
        folder = folders[0] / "report"
    steps = find_step_times(folders, place)
    return write_report(runs, folder, "All runs", x=x, field=field, steps=steps, again=again)


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
    field: str | None = None,
    steps: dict[str, Any] | None = None,
    again: Again | None = None,
) -> str:
    """Write tables (``table.md``, ``.csv``, ``.tex``), figures (``figures/*.png``, ``.svg``) and
    one page of all (``index.html``) into a folder; returns the text.

    Args:
        x: as :func:`report_on` takes it, and ``field``.
        steps: training steps measured in turn, to show and to judge by.
        pivot: for a second table, of a model's test figure ``value`` under each setting of
            ``columns`` (an option).
        again: gives for a run's config the words that make it again; None where it cannot.

    Raises:
        UserError: for two different runs of the same settings and seed.
    """
    table = frame(runs)
    found = find(sections(table), x, field, steps, again)
    pivoted = _pivoted(found, pivot) if pivot and found else {}
    over_all = _over_all(found, steps)
    text = _text(title, found, pivoted, over_all, table)
    files = {"table.md": text} | _files(found, over_all)
    files["index.html"] = page(title, found, pivoted, over_all, table, again)
    _write(folder, files)
    written = dict.fromkeys(name.partition("/")[0] for name in files)
    return f"{text}\nwritten to {folder}: {', '.join(written)}"


def _write(folder: Path, files: dict[str, str | bytes]) -> None:
    """In the place of what a report before had there."""
    before = _written_before(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, content)
    for name in before - files.keys():
        (folder / name).unlink(missing_ok=True)


def _written_before(folder: Path) -> set[str]:
    """The tables that a report can have, and the figures that its text shows, of one that was
    written there before."""
    text = folder / "table.md"
    if not text.exists():
        return set()
    figures = re.findall(r"\]\((figures/[\w.+-]+)\.png\)", text.read_text(errors="replace"))
    return TABLES | {f"{name}{kind}" for name in figures for kind in (".png", ".svg")}


def _over_all(found: list[Found], steps: dict[str, Any] | None) -> OverAll:
    left = left_by_order([one.section for one in found])
    measured = [] if steps is None else [step_times_drawing(steps)]
    return OverAll([] if left is None else [left], measured)


def _pivoted(found: list[Found], pivot: dict[str, str]) -> dict[str, pd.DataFrame]:
    title = f"Test {pivot['value'].replace('_', ' ')} by {pivot['columns']}"
    return {title: tables.pivoted([one.section for one in found], **pivot)}


def _text(
    title: str,
    found: list[Found],
    pivoted: dict[str, pd.DataFrame],
    over_all: OverAll,
    table: pd.DataFrame,
) -> str:
    said = [f"# {title}"]
    for head, shown in pivoted.items():
        said += [f"{head}:", tables.text_of(shown)]
    said += [_shown(drawing) for drawing in over_all.first]
    for one in found:
        said += [*_section(one), *_published(one), *_verdicts(one), *map(_shown, one.drawings)]
        for look in one.closer:
            said += [f"{look.title}:", markdown(look.rows)] if look.rows else []
    said += [_shown(drawing) for drawing in over_all.last]
    return "\n\n".join(said + left_out(table)) + "\n"


def _shown(drawing: Drawing) -> str:
    return f"![{drawing.title}](figures/{drawing.name}.png)\n\n{drawing.says}"


def _section(one: Found) -> list[str]:
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


def _published(one: Found) -> list[str]:
    said = []
    for board in one.published:
        said += [f"{board.title}:", tables.text_of(board.reading()), *board.notes]
    return said


def _verdicts(one: Found) -> list[str]:
    found = one.verdicts
    if not found:
        return []
    return [verdicts.summary(found), markdown(verdicts.reading(found)), verdicts.note()]


def _files(found: list[Found], over_all: OverAll) -> dict[str, str | bytes]:
    """Tables as numbers and for LaTeX, and the figures."""
    if not found:
        return {}
    latex = [tables.latex(tables.reading(one.section), one.section.title) for one in found]
    boards = [board for one in found for board in one.published]
    latex += [tables.latex(board.reading(), board.title) for board in boards]
    files: dict[str, str | bytes] = {"table.tex": "\n".join(latex)}
    for name, numbers in _numbers(found).items():
        files[f"{name}.csv"] = pd.concat(numbers, ignore_index=True).to_csv(index=False)
    of_sections = [drawing for one in found for drawing in one.drawings]
    for drawing in (*over_all.first, *of_sections, *over_all.last):
        files[f"figures/{drawing.name}.svg"] = drawing.on_paper
        files[f"figures/{drawing.name}.png"] = drawing.png
    return files


def _numbers(found: list[Found]) -> dict[str, list[pd.DataFrame]]:
    """Tables by the name of their file, one of each section."""
    made: dict[str, list[pd.DataFrame]] = {}
    for one in found:
        title = one.section.title
        made.setdefault("table", []).append(tables.numbers(one.section))
        for board in one.published:
            made.setdefault("published", []).append(board.numbers.assign(data=title))
        if one.verdicts:
            made.setdefault("claims", []).append(verdicts.numbers(one.verdicts, title))
        for look in one.closer:
            if look.file:
                made.setdefault(look.file, []).append(look.numbers.assign(data=title))
    return made


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
