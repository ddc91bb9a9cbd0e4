"""A report from run directories alone. Nothing is trained here."""

from pathlib import Path

import pandas as pd

from ctrbench.files import write_atomic
from ctrbench.report import tables
from ctrbench.report.group import Section, copies, sections
from ctrbench.runs.frame import FINISHED, frame


def write_report(
    runs: list[Path], folder: Path, title: str, pivot: dict[str, str] | None = None
) -> str:
    """Write ``table.md``, ``table.csv`` and ``table.tex`` into a folder; returns the text.

    Args:
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
    for part in parts:
        said += _section(part)
    text = "\n\n".join(said + left_out(table)) + "\n"
    files = {"table.md": text}
    if parts:
        numbers = pd.concat([tables.numbers(part) for part in parts], ignore_index=True)
        files["table.csv"] = numbers.to_csv(index=False)
        shown = [tables.latex(tables.reading(part), part.title) for part in parts]
        files["table.tex"] = "\n".join(shown)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_atomic(folder / name, content)
    return f"{text}\nwritten to {folder}: {', '.join(files)}"


def _section(part: Section) -> list[str]:
    said = [f"## {part.title}", tables.text_of(tables.reading(part)), *tables.notes(part)]
    times = tables.other_times(part)
    return [*said, tables.text_of(times)] if len(times) else said


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
