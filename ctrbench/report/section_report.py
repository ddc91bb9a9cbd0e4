"""The report of one section: its statistics, figures and tables, each computed once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from ctrbench.data.row_notes import row_notes
from ctrbench.errors import UserError
from ctrbench.markdown import Rows
from ctrbench.report import tables
from ctrbench.report.averages import averages_table
from ctrbench.report.figures.ablations import ablations
from ctrbench.report.figures.drawing import Figure
from ctrbench.report.figures.heat_maps import heat_maps
from ctrbench.report.figures.overview import cost, leaderboard, learning_curves
from ctrbench.report.figures.sweeps import is_swept, why_not_swept
from ctrbench.report.group import Section, options_of_rows
from ctrbench.report.headlines import Answer, LeaderboardHeadline
from ctrbench.report.html import Link, slug
from ctrbench.report.judged.claims import STEP, Verdict, verdicts
from ctrbench.report.judged.comparisons import (
    comparison_note,
    comparison_table,
    comparisons,
    models_not_different,
    reference,
)
from ctrbench.report.judged.crossings import KEY
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.judged.planning import planning_note, planning_rows
from ctrbench.report.judged.verdicts import (
    verdict_numbers,
    verdict_rows,
    verdict_rule,
    verdict_summary,
    why_no_verdicts,
)
from ctrbench.report.latex import DEFAULT, latex_table, leaderboard_latex
from ctrbench.report.leaders import headline, leaders
from ctrbench.report.predictions.details import calibration_details, slice_details
from ctrbench.report.predictions.read import read_predictions
from ctrbench.report.published.leaderboards import Leaderboard, leaderboards
from ctrbench.report.published.printed import table2
from ctrbench.report.scaling import Scaling
from ctrbench.report.step_times import DRAWING as STEPS
from ctrbench.report.table import Table as Table

SHARES = f"ablation-{KEY}"


@dataclass(frozen=True)
class ReportOptions:
    """The user's choices for a report.

    Attributes:
        x: the option to draw figures over; None draws one for each that was swept.
        field: by whose values the test rows are sliced, beside the other slicings.
        steps: training steps measured in turn, to show and to judge by.
        columns: of the LaTeX table.
        pivot: for a second table, of a model's test figure ``value`` under each setting of
            ``columns`` (an option).
        question: of the experiment, above all.
        headline: what answers it.
        claims: whether the paper's claims are judged on data that is not the paper's.
    """

    x: str | None = None
    field: str | None = None
    steps: dict[str, Any] | None = None
    columns: Sequence[str] = DEFAULT
    pivot: dict[str, str] | None = None
    question: str = ""
    headline: LeaderboardHeadline = LeaderboardHeadline()
    claims: bool = False


class SectionReport:
    """Statistics, figures and tables of one section."""

    def __init__(self, section: Section, options: ReportOptions, prefix: str = "") -> None:
        """Nothing is computed before it is asked for.

        Args:
            prefix: of the names of its figures.
        """
        self.section = section
        self.title = section.title
        self._options = options
        self._prefix = prefix
        self.tests = PairedTests(section)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Each model against the best and against the baseline."""
        return comparisons(self.section, self.tests)

    @cached_property
    def _verdicts(self) -> list[Verdict]:
        if not (self._options.claims or table2(str(self.section.runs["data"].iloc[0]))):
            return []
        return verdicts(self.section, self._options.steps, self.tests)

    @cached_property
    def answer(self) -> Answer:
        """What answers the experiment's question on these rows."""
        return self._options.headline.of_section(self)

    @property
    def headline(self) -> str:
        """The sentence of the answer."""
        return self.answer.sentence

    @cached_property
    def leading(self) -> str:
        """The best model, and the others that differ from it by more than noise."""
        leading = headline(self.section, self.comparisons)
        rows = self.scaling.headline if self.scaling else ""
        return f"{rows[0].upper()}{rows[1:]}. {leading}" if rows else leading

    @cached_property
    def scaling(self) -> Scaling:
        """What the number of training rows does; false where it was not swept."""
        return Scaling(self.section, self.tests)

    @cached_property
    def about(self) -> str:
        """The numbers of rows and seeds, and the machine."""
        run, seeds = self.section.runs.iloc[0], self.section.runs["seed"].nunique()
        rows = sum(int(run[f"dataset.rows.{name}"]) for name in ("train", "valid", "test"))
        data = {name.removeprefix("data."): value for name, value in run.items()}
        notes = "".join(f"; {note}" for note in row_notes(data))
        return (
            f"{rows:,} rows, {int(run['dataset.rows.test']):,} of them for the test; "
            f"{tables.count_text(seeds, 'seed')}; "
            f"{tables.environment_text(self.section.environment)}{notes}"
        )

    @cached_property
    def leaders(self) -> Table:
        """Each model in its chosen setting."""
        return Table("Leaderboard", leaders(self.section))

    @cached_property
    def settings_cells(self) -> pd.DataFrame:
        """All settings of all models as cells of text."""
        return tables.settings_table(self.section)

    @cached_property
    def settings(self) -> Table:
        """All settings of all models."""
        rows: Rows = self.settings_cells.to_dict("records")
        numbers = tables.settings_numbers(self.section)
        notes = tables.settings_notes(self.section)
        return Table("Settings", rows, "table", numbers, notes=notes)

    @cached_property
    def latex(self) -> str:
        """The leaderboard for a paper, then all settings and published leaderboards."""
        label = f"tab:{slug(self.title)}"
        texts = [leaderboard_latex(self.section, self.comparisons, self._options.columns)]
        if self.section.groups["model"].duplicated().any():
            caption = f"All settings on {self.title}"
            texts.append(latex_table(self.settings_cells, caption, f"{label}-settings"))
        for board in self.published:
            texts.append(latex_table(board.table(), board.title, f"tab:{slug(board.title)}"))
        return "\n".join(texts)

    @cached_property
    def other_times(self) -> Table:
        """Times in other environments; without rows where there is only one."""
        return Table("Times elsewhere", tables.other_times(self.section).to_dict("records"))

    @cached_property
    def differences(self) -> Table:
        """The comparisons of the models; without rows where nothing is compared."""
        compared = self.comparisons
        if compared.empty:
            return Table("Differences", [])
        rows = comparison_table(compared).to_dict("records")
        note = comparison_note(self.section, compared)
        return Table("Differences", rows, "differences", compared, notes=[note])

    @cached_property
    def planning(self) -> Table:
        """How many seeds tell a difference; without rows where there is one seed."""
        rows = planning_rows(self.comparisons)
        return Table("How many seeds tell", rows, notes=[planning_note(rows)] if rows else [])

    @cached_property
    def untested(self) -> str:
        """Why no difference can be tested; empty where one can."""
        compared = self.comparisons
        if compared.empty or compared["auc_p"].notna().any():
            return ""
        return f"Differences between the models are {' or '.join(set(compared['test']))}."

    @cached_property
    def verdicts(self) -> Table:
        """The verdicts on the paper's claims, each linked to its figure."""
        if not self._verdicts or self.no_verdicts:
            return Table("Verdicts", [])
        rows = verdict_rows(self._verdicts)
        for row, verdict in zip(rows, self._verdicts, strict=True):
            if (name := self._figure_of(verdict)) is not None:
                row["claim"] = Link(row["claim"], name)
        return Table(
            "Verdicts",
            rows,
            "claims",
            verdict_numbers(self._verdicts, self.title),
            verdict_summary(self._verdicts),
            [verdict_rule()],
        )

    @cached_property
    def no_verdicts(self) -> str:
        """Why no verdict on the paper's claims is given; empty where one is, or none is asked."""
        return why_no_verdicts(self.section, self._verdicts) if self._verdicts else ""

    def _figure_of(self, verdict: Verdict) -> str | None:
        if verdict.decisive.figure == STEP:
            return STEPS
        figures = self.cost if "faster" in verdict.claim else [self.leaderboard]
        if "key" in verdict.claim:
            name = f"ablation-{verdict.claim['key']}"
            figures = [figure for figure in self.ablations if figure.name.endswith(name)]
        return figures[0].name if figures else None

    @cached_property
    def published(self) -> list[Leaderboard]:
        """Published leaderboards whose recipes were followed."""
        return leaderboards(self.section)

    @cached_property
    def leaderboard(self) -> Figure:
        """Test AUC of each model."""
        best, others = (
            reference(self.section),
            models_not_different(self.section, self.comparisons),
        )
        return self.named(leaderboard(self.section, best, others))

    @cached_property
    def cost(self) -> list[Figure]:
        """Quality against cost; empty without times."""
        figure = cost(self.section)
        return [] if figure is None else [self.named(figure)]

    @cached_property
    def ablations(self) -> list[Figure]:
        """Ablations and heat maps of what was swept."""
        x = self._options.x
        figures = ablations(self.section, x) if x is None or is_swept(self.section, x) else []
        figures = [f for f in figures if x or f.name != SHARES]  # of which scaling is the figure
        return [self.named(f) for f in figures + (heat_maps(self.section) if x is None else [])]

    @cached_property
    def gallery(self) -> list[Figure]:
        """Training rows, cost, ablations and learning curves."""
        scaling = [self.named(self.scaling.figure)] if self.scaling else []
        learning = learning_curves(self.section)
        curves = [] if learning is None else [self.named(learning)]
        first = {figure.name for figure in self.answer.figures}
        figures = [*scaling, *self.cost, *self.ablations, *curves]
        return [figure for figure in figures if figure.name not in first]

    @cached_property
    def details(self) -> list[Figure | Table]:
        """The tables of training rows and averages, and figures and tables of the predictions,
        where they are at hand."""
        first: list[Figure | Table] = [self.scaling.table] if self.scaling else []
        if (averages := averages_table(self.section, self.tests)).rows:
            first.append(averages)
        rows = read_predictions(self.section)
        if rows is None:
            return first
        details = first + calibration_details(rows) + slice_details(rows, self._options.field)
        return [self.named(item) if isinstance(item, Figure) else item for item in details]

    @property
    def figures(self) -> list[Figure]:
        """All figures, in the order of the page."""
        figures = [item for item in self.details if isinstance(item, Figure)]
        return [*self.answer.figures, self.leaderboard, *self.gallery, *figures]

    @property
    def detail_tables(self) -> list[Table]:
        """The tables among the details."""
        return [item for item in self.details if isinstance(item, Table)]

    def named(self, figure: Figure) -> Figure:
        """Return a figure under a name that no other section's has."""
        return replace(figure, name=self._prefix + figure.name)


def section_reports(sections: list[Section], options: ReportOptions) -> list[SectionReport]:
    """Return the report of each section; with several their figures' names begin with the title."""
    x = options.x
    if x is not None and sections and not any(is_swept(section, x) for section in sections):
        if x in options_of_rows([section.runs for section in sections]):
            raise UserError(
                f"x={x}: runs that differ in it have other test rows; each is a section of its "
                "own, and their figures are not compared"
            )
        raise UserError(f"x={x}: {why_not_swept(sections, x)}")
    several = len(sections) > 1
    return [
        SectionReport(section, options, f"{slug(section.title)}-" if several else "")
        for section in sections
    ]
