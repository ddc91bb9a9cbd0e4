"""Two reports beside each other: by how much each model's test figures differ.

A side is a folder of runs, or of a report without them, whose ``table.csv`` is read. Runs of the
same test rows and seeds are compared as those of one report are; all others by Welch's t-test.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.errors import UserError, one_line
from ctrbench.markdown import NONE, Rows, csv_of, markdown
from ctrbench.report.broken import check_runs
from ctrbench.report.group import FIGURES, Section, sections
from ctrbench.report.html import render
from ctrbench.report.judged.comparisons import SIGNIFICANT
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.judged.statistics import LEVEL, Difference, holm
from ctrbench.report.judged.welch import welch
from ctrbench.report.names import list_titles, metric_title, model_title
from ctrbench.report.output import write_folder
from ctrbench.report.table import Table
from ctrbench.results import Results
from ctrbench.runs.frame import find_runs, frame
from ctrbench.settings import NAME

WELCH = "independent seeds"
SIDES = ("here", "against")
NEEDED = ["data", "model", "chosen", "runs"]
NEEDED += [f"test_{figure}_{kind}" for figure in FIGURES for kind in ("mean", "std")]


@dataclass(frozen=True)
class Side:
    """A report: the rows of its chosen settings, ``NEEDED`` and ``group``, and its sections."""

    rows: pd.DataFrame
    sections: dict[str, Section] = field(default_factory=dict)


def report_against(
    folders: list[Path], other: Path, results: str | None = None, name: str | None = None
) -> str:
    """Compare runs or a report with another; write tables and a page, and return the text.

    Raises:
        UserError: for a folder with neither, and where both have no model on a data set in common.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UserError(f"name={name}: not a name; the report goes to results=FOLDER/report/NAME")
    place = Results(results or "results")
    sides = [_read_side(folders or [place.runs]), _read_side([other])]
    numbers = compare(*sides)
    names = _names(folders or [place.runs], other)
    if numbers.empty:
        raise UserError(f"{names[0]} --against {names[1]}: no model has runs on a data set in both")
    table = Table("Differences", _rows(numbers), "table", numbers, notes=_notes(numbers, sides))
    headline, title = _headline(numbers), f"{names[0]} against {names[1]}"
    folder = place.report(name or "-against-".join(names))
    text = "\n\n".join([f"# {title}", headline, markdown(table.rows), *table.notes]) + "\n"
    page = render("tables.html", title=title, headline=headline, tables=[table])
    write_folder(folder, {"table.md": text, "table.csv": csv_of(numbers), "index.html": page})
    return f"{text}\nwritten to {folder}: table.md, table.csv, index.html"


def _names(folders: list[Path], other: Path) -> list[str]:
    """Return the names of both sides, with those of their parents where they are equal."""
    for parts in (1, 2):
        names = ["-".join(folder.resolve().parts[-parts:]) for folder in (*folders, other)]
        if names[-1] not in names[:-1]:
            break
    return ["+".join(names[:-1]), names[-1]]


def _read_side(folders: list[Path]) -> Side:
    if len(folders) == 1 and (folders[0] / "table.csv").is_file():
        try:
            return Side(_read_table(folders[0] / "table.csv"))
        except UserError:
            if not (folders[0] / "table.md").exists():  # a table of the user's, beside runs
                raise
    found = {section.title: section for section in sections(check_runs(frame(find_runs(folders))))}
    if not found:
        raise UserError(f"{', '.join(map(str, folders))}: no finished run; train one")
    rows = [s.groups[s.groups["chosen"]].assign(data=title) for title, s in found.items()]
    return Side(pd.concat(rows, ignore_index=True), found)


def _read_table(path: Path) -> pd.DataFrame:
    """Read the chosen settings of a report's table."""
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from None
    if lacking := [name for name in NEEDED if name not in table]:
        raise UserError(f"{path}: is no table of a report; it lacks the column {lacking[0]}")
    return table[table["chosen"].astype(bool)].reset_index(drop=True)


def compare(here: Side, against: Side) -> pd.DataFrame:
    """Return a row for each data set and model that both have.

    Columns: ``data``, ``model``, ``seeds`` (here), ``seeds_against``, ``test``, and of each figure
    the mean of both sides, the difference, ``_low``, ``_high`` and ``_p`` (by Holm's steps).
    """
    rows = []
    for data in dict.fromkeys(here.rows["data"]):
        tests = _paired_tests(here.sections.get(data), against.sections.get(data))
        first, second = (side.rows[side.rows["data"] == data] for side in (here, against))
        both = first.merge(second, on="model", suffixes=("", "_against"))
        rows += [_compare(row, tests) for _, row in both.iterrows()]
    table = pd.DataFrame(rows)
    for figure in FIGURES if len(table) else ():
        table[f"{figure}_p"] = holm(table[f"{figure}_p"])
    return table


def _paired_tests(here: Section | None, against: Section | None) -> PairedTests | None:
    """Return the tests between two sections' runs, whose groups are named by their side."""
    if here is None or against is None:
        return None
    sides = zip(SIDES, (here.runs, against.runs), strict=True)
    runs = [table.assign(group=f"{name}/" + table["group"]) for name, table in sides]
    return PairedTests(replace(here, runs=pd.concat(runs, ignore_index=True)))


def _compare(row: pd.Series, tests: PairedTests | None) -> dict[str, Any]:
    result: dict[str, Any] = {"data": row["data"], "model": row["model"]}
    result |= {"seeds": row["runs"], "seeds_against": row["runs_against"], "test": WELCH}
    differences: list[Difference] = []
    if tests is not None:
        names = (f"{SIDES[0]}/{row['group']}", f"{SIDES[1]}/{row['group_against']}")
        paired = tests.compare(*names)
        if not paired.test.startswith("untested"):
            result["test"], differences = paired.test, paired.differences
    for i, figure in enumerate(FIGURES):
        samples = [
            (row[f"test_{figure}_mean{s}"], row[f"test_{figure}_std{s}"], row[f"runs{s}"])
            for s in ("", "_against")
        ]
        difference = differences[i] if differences else welch(*samples)
        result |= {figure: samples[0][0], f"{figure}_against": samples[1][0]}
        result |= {f"{figure}_difference": difference.mean, f"{figure}_low": difference.low}
        result |= {f"{figure}_high": difference.high, f"{figure}_p": difference.p}
    return result


def _rows(numbers: pd.DataFrame) -> Rows:
    rows = []
    for _, row in numbers.iterrows():
        cells = {"data": str(row["data"]), "model": model_title(row["model"])}
        cells["seeds"] = f"{row['seeds']}, {row['seeds_against']}"
        for figure in FIGURES:
            name = metric_title(figure)
            low, high, p = (row[f"{figure}_{part}"] for part in ("low", "high", "p"))
            interval = "" if low != low else f" [{low:+.5f}, {high:+.5f}]"
            cells[name] = f"{row[figure]:.5f}"
            cells[f"{name} against"] = f"{row[f'{figure}_against']:.5f}"
            cells[f"{name} difference"] = f"{row[f'{figure}_difference']:+.5f}{interval}"
            cells[f"{name} p"] = NONE if p != p else f"{p:.3f}" if p >= 0.001 else "< .001"
        rows.append(cells | {"test": str(row["test"])})
    return rows


def _headline(numbers: pd.DataFrame) -> str:
    """Return of how many models the AUC differs significantly."""
    figure = FIGURES[0]
    differ = numbers[numbers[f"{figure}_p"] < SIGNIFICANT]
    text = f"{len(differ)} of {len(numbers)} differ significantly in test {metric_title(figure)}"
    for word, sign in (("better here", 1), ("worse here", -1)):
        rows = differ[differ[f"{figure}_difference"] * sign > 0]
        text += f"; {word}: {list_titles(dict.fromkeys(rows['model']))}" if len(rows) else ""
    return f"{text}."


def _notes(numbers: pd.DataFrame, sides: list[Side]) -> list[str]:
    notes = [
        f"Differences of test figures, each model in its chosen setting, with intervals of "
        f"{LEVEL:.0%}; p is corrected by Holm's steps. On the same test rows runs are paired by "
        "seed, with the noise of training and of the rows."
    ]
    if WELCH in set(numbers["test"]):
        notes.append(
            f"{WELCH[0].upper()}{WELCH[1:]}: Welch's t-test of the means over seeds; the noise of "
            "the test rows is not included, and one seed has no interval."
        )
    pairs = [set(zip(side.rows["data"], side.rows["model"], strict=True)) for side in sides]
    alone = [f"{model_title(model)} on {data}" for data, model in sorted(pairs[0] ^ pairs[1])]
    return notes + ([f"On one side alone: {', '.join(alone)}."] if alone else [])
