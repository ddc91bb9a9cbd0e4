"""The report as one self-contained page: first the answer, then the evidence, then everything."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ctrbench.errors import UserError
from ctrbench.report import tables
from ctrbench.report.figures.overview import chosen_rows
from ctrbench.report.found import Found, OverAll
from ctrbench.report.group import (
    BASELINE,
    ENVIRONMENT,
    TO_BEST,
    Section,
    as_text,
    epoch_seconds,
)
from ctrbench.report.html import Command, Link, render
from ctrbench.report.judged import comparisons, verdicts
from ctrbench.report.judged.claims import STEP, Verdict
from ctrbench.report.judged.comparisons import UNTESTED
from ctrbench.report.markdown import NONE, Rows, cells
from ctrbench.report.published.beside import Again
from ctrbench.report.step_times import DRAWING as STEPS
from ctrbench.runs.frame import FINISHED
from ctrbench.runs.record import RunDirectory

FIGURES = {"auc": "AUC", "logloss": "logloss", "gauc": "GAUC"}


@dataclass(frozen=True)
class Part:
    """A section as the page shows it, beside what was made of it."""

    found: Found
    headline: str
    about: str
    leaders: Rows
    verdicts: Rows
    verdicts_said: str
    compared: Rows
    compared_rule: str
    rows: Rows
    other_times: Rows
    notes: list[str]


def page(
    title: str,
    found: list[Found],
    pivoted: dict[str, pd.DataFrame],
    over_all: OverAll,
    table: pd.DataFrame,
    again: Again | None = None,
) -> str:
    """The page's HTML.

    Args:
        pivoted: tables over all sections, by their title.
        over_all: figures of all sections.
        table: all runs, those without a result too.
        again: gives for a run's config the words that make it again.
    """
    return render(
        "report.html",
        title=title,
        parts=[part_of(one) for one in found],
        pivoted={head: shown.to_dict("records") for head, shown in pivoted.items()},
        over_all=over_all,
        verdict_rule=verdicts.note(),
        runs=all_runs(table, again),
        measured=measured(table),
    )


def part_of(found: Found) -> Part:
    """A section in words and rows."""
    section, compared = found.section, found.compared
    run = section.runs.iloc[0]
    rows = sum(int(run[f"dataset.rows.{name}"]) for name in ("train", "valid", "test"))
    about = (
        f"{rows:,} rows, {int(run['dataset.rows.test']):,} of them for the test; "
        f"{_number(section.runs['seed'].nunique(), 'seed')}; {tables.machine(section.environment)}"
    )
    return Part(
        found,
        headline(section, compared),
        about,
        leaders(section),
        _linked_verdicts(found),
        verdicts.summary(found.verdicts),
        comparisons.reading(compared).to_dict("records") if len(compared) else [],
        comparisons.note(compared) if len(compared) else "",
        tables.reading(section).to_dict("records"),
        tables.other_times(section).to_dict("records"),
        tables.notes(section),
    )


def _linked_verdicts(found: Found) -> Rows:
    """Each claim leads to the figure that shows it."""
    rows = verdicts.reading(found.verdicts)
    for row, verdict in zip(rows, found.verdicts, strict=True):
        if (name := _figure_of(verdict, found)) is not None:
            row["claim"] = Link(row["claim"], name)
    return rows


def _figure_of(verdict: Verdict, found: Found) -> str | None:
    if verdict.decides.figure == STEP:
        return STEPS
    drawings = found.cost if "faster" in verdict.claim else [found.leaderboard]
    if "key" in verdict.claim:
        own = f"ablation-{verdict.claim['key']}"
        drawings = [drawing for drawing in found.ablations if drawing.name.endswith(own)]
    return drawings[0].name if drawings else None


def headline(section: Section, compared: pd.DataFrame) -> str:
    """Who leads, by how much, and whether it means anything."""
    rows = chosen_rows(section)
    best = rows.iloc[0]
    deviation = best["test_auc_std"]
    spread = f" ± {deviation:.4f}" if deviation == deviation else ""
    said = [f"{best['model']}, AUC {best['test_auc_mean']:.4f}{spread}, leads on {section.title}"]
    rivals = compared[compared["against"] == best["model"]] if len(compared) else compared
    for word, own in rivals.groupby("auc_says") if len(rivals) else ():
        said += _of_rivals(str(word), own, everyone=len(own) == len(rivals))
    ratio = best["time_over_lr"] * epoch_seconds(rows)[0] / best["seconds_per_epoch"]
    if ratio == ratio and best["model"] != BASELINE:
        said.append(f"{ratio:.3g} times LR's time an epoch")
    return "; ".join(said) + "."


def _of_rivals(word: str, own: pd.DataFrame, *, everyone: bool) -> list[str]:
    """What the comparisons of one outcome say of the leader; nothing if it is ahead of some."""
    names, seeds = list(own["model"]), own["seeds"].min()
    count = f"at {seeds} seeds" if seeds > 1 else "on these test rows, with one seed"
    if word == "worse":
        return [f"significantly better in AUC than all others {count}"] if everyone else []
    if word == "better":
        are = "are" if len(names) > 1 else "is"
        return [f"{_listed(names)} {are} better {count}, those that both have"]
    if word == UNTESTED:
        return [f"untested against {_listed(names)}"]
    return [f"{word} from {_listed(names)} {count}"]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def leaders(section: Section) -> Rows:
    """A row a model, in its chosen setting."""
    rows = chosen_rows(section)
    shown = pd.DataFrame({"model": rows["model"]})
    for part, head in (("test", "test "), ("valid", "valid ")):
        for figure, name in FIGURES.items():
            if f"{part}_{figure}_mean" in rows:
                shown[head + name] = tables.mean_and_deviation(rows, f"{part}_{figure}")
    shown["seeds"] = rows["runs"].astype(str)
    shown["time / LR"] = tables.with_stage(rows, rows["seconds_per_epoch"] / rows["time_over_lr"])
    shown["s to best"] = cells(rows[TO_BEST].astype(float), "{:.2f}")
    shown["parameters"] = cells(rows["parameters"].astype(float), "{:,.0f}")
    shown["settings"] = rows["settings"].replace("", NONE)
    found: Rows = shown.loc[:, (shown != NONE).any()].to_dict("records")
    return found


def all_runs(table: pd.DataFrame, again: Again | None = None) -> Rows:
    """Every directory, with what became of it and the command that makes it again."""
    wanted = {"model": "model", "data": "data", "seed": "seed", "state": "state"}
    shown = pd.DataFrame(
        {
            head: [as_text(v) for v in table[name]] if name in table else NONE
            for name, head in wanted.items()
        },
        index=table.index,
    )
    for part in ("test", "valid"):
        for figure, head in FIGURES.items():
            name = f"metrics.{part}.{figure}"
            values = table[name].astype(float) if name in table else [float("nan")] * len(table)
            shown[f"{part} {head}"] = cells(values, "{:.5f}")
    if "seconds.train" in table:
        shown["training, s"] = cells(table["seconds.train"].astype(float), "{:.1f}")
    shown["reason"] = table["reason"].replace("", NONE)
    shown["directory"] = table["path"]
    if again is not None:
        commands = [_command(Path(path), again) for path in table["path"]]
        # of strings pandas would make plain ones, where pyarrow is installed
        shown["make it again"] = pd.Series(commands, shown.index, dtype=object)
    found: Rows = shown.loc[:, (shown != NONE).any()].to_dict("records")
    return found


def _command(path: Path, again: Again) -> str:
    """The words of ``ctrbench train`` that are not as by default, whole and in the data's words."""
    try:
        words = again(RunDirectory(path).settings())
    except (UserError, OSError):  # said as the reason already
        return NONE
    return NONE if words is None else Command(shlex.join(["ctrbench", "train", *words]))


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def measured(table: pd.DataFrame) -> list[str]:
    """Machines, versions, and the rules that hold for all runs."""
    finished = table[table["state"] == FINISHED]
    said = []
    if len(finished):
        counts: Any = finished.groupby(ENVIRONMENT, sort=False, dropna=False).size()
        said = [
            f"{_number(n, 'run')} on {tables.machine(dict(zip(ENVIRONMENT, e, strict=True)))}."
            for e, n in counts.items()
        ]
        commits = finished.get("environment.commit", pd.Series(dtype=str)).dropna().unique()
        if len(commits):
            said.append(f"Code: {', '.join(commits)}.")
    without = len(table) - len(finished)
    if without:
        said.append(
            f"{without} of {len(table)} directories have no result; they are listed with the "
            "reason."
        )
    return [
        *said,
        "Weights and settings are chosen on validation rows; the test rows are scored once.",
        "Times are seconds of training, without evaluations, of runs in the same environment; "
        "claims about time are judged by steps measured in turn (reproduce figure6) where there "
        "are any of the same device and precision.",
        "A point of a figure says its values where it is pointed at, or by the arrow keys once the "
        "figure has the focus.",
    ]
