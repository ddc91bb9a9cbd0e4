"""All that is made of the sections of a report, for its text, its files and its page."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from ctrbench.report.figures.ablations import ablations, heat_maps, is_swept, sweeps
from ctrbench.report.figures.drawing import Drawing
from ctrbench.report.figures.overview import cost, leaderboard, learning_curves
from ctrbench.report.group import Section
from ctrbench.report.html import slug
from ctrbench.report.judged import ranks
from ctrbench.report.judged.claims import Verdict, verdicts
from ctrbench.report.judged.comparisons import comparisons, level_with_best
from ctrbench.report.markdown import Rows
from ctrbench.report.predictions import calibration, slices
from ctrbench.report.predictions.scored import Scored, scored
from ctrbench.report.published.beside import Again, Leaderboard, leaderboards


@dataclass(frozen=True)
class Closer:
    """A closer look: a figure, a table, or both.

    Attributes:
        rows: cells of text, and ``numbers`` the same as numbers, for a file of the name ``file``.
    """

    title: str
    drawing: Drawing | None = None
    rows: Rows = field(default_factory=list)
    file: str = ""
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Found:
    """A section, and all that is made of it."""

    section: Section
    compared: pd.DataFrame
    verdicts: list[Verdict]
    published: list[Leaderboard]
    leaderboard: Drawing
    cost: list[Drawing]
    ablations: list[Drawing]
    closer: list[Closer]

    @property
    def drawings(self) -> list[Drawing]:
        """All, in the order of the page."""
        looks = [look.drawing for look in self.closer if look.drawing is not None]
        return [self.leaderboard, *self.cost, *self.ablations, *looks]


@dataclass(frozen=True)
class OverAll:
    """Figures that belong to no section: ahead of them all, and behind."""

    first: list[Drawing]
    last: list[Drawing]


def find(
    parts: list[Section],
    x: str | None = None,
    field: str | None = None,
    steps: dict[str, Any] | None = None,
    again: Again | None = None,
) -> list[Found]:
    """What is made of each section; names of figures are told apart where there are several.

    Args:
        x: the option to draw figures over; None draws one for each that was swept.
        field: whose values the test rows are sliced by, beside what is done anyway.
        steps: as :func:`verdicts` takes it.
        again: gives for a run's config the words that make it again.

    Raises:
        UserError: for an option that was not swept, or a field that cannot be sliced by.
    """
    if x is not None and parts and not any(is_swept(part, x) for part in parts):
        sweeps(parts[0], x)  # says what is
    return [
        _found(
            part,
            verdicts(part, steps),
            leaderboards(part, again),
            x,
            field,
            _namer(part, len(parts) > 1),
        )
        for part in parts
    ]


Namer = Callable[[Drawing], Drawing]


def _namer(part: Section, several: bool) -> Namer:
    prefix = f"{slug(part.title)}-" if several else ""
    return lambda drawing: replace(drawing, name=prefix + drawing.name)


def _found(
    part: Section,
    judged: list[Verdict],
    published: list[Leaderboard],
    x: str | None,
    field: str | None,
    named: Namer,
) -> Found:
    compared = comparisons(part)
    swept = ablations(part, x) if x is None or is_swept(part, x) else []
    spent = cost(part)
    return Found(
        part,
        compared,
        judged,
        published,
        named(leaderboard(part, level_with_best(part, compared))),
        [] if spent is None else [named(spent)],
        [named(one) for one in swept + (heat_maps(part) if x is None else [])],
        [
            look if look.drawing is None else replace(look, drawing=named(look.drawing))
            for look in _closer(part, field)
        ],
    )


def _closer(part: Section, field: str | None) -> list[Closer]:
    """Learning curves, ranks, and what the test rows say where they are at hand."""
    looks = []
    if (learned := learning_curves(part)) is not None:
        looks.append(Closer("Learning curves", learned))
    if (ranked := ranks.ranks(part)) is not None:
        looks.append(Closer("Ranks", ranks.drawing(ranked)))
    if (rows := scored(part)) is not None:
        looks += [_calibration(rows), *_slices(rows, field)]
    return looks


def _calibration(rows: Scored) -> Closer:
    tenths = calibration.deciles(rows)
    return Closer(
        "Calibration",
        calibration.drawing(rows, tenths),
        calibration.reading(rows, tenths),
        "calibration",
        tenths,
    )


def _slices(rows: Scored, field: str | None) -> list[Closer]:
    made = []
    for slicing in slices.slicings(rows, field):
        found = slices.scores(rows, slicing)
        drawn = slices.drawing(found, slicing)
        numbers = found.assign(by=slicing.title)
        title = f"AUC of slices {slicing.title}"
        made.append(Closer(title, drawn, slices.reading(found), "slices", numbers))
    return made
