"""How many training rows it takes: figure, table and sentence of the experiment ``scale``."""

from functools import cached_property

from ctrbench.markdown import NONE
from ctrbench.report.figures.drawing import Figure
from ctrbench.report.figures.scaling import draw_scaling
from ctrbench.report.group import Section
from ctrbench.report.judged.crossings import (
    Crossing,
    crossing_headline,
    crossing_note,
    crossing_text,
    crossings,
    row_points,
)
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.names import metric_title, model_title
from ctrbench.report.table import Table


class Scaling:
    """What the number of training rows does in a section; empty where no share was swept."""

    def __init__(self, section: Section, tests: PairedTests) -> None:
        self.points = row_points(section)
        self._section, self._tests = section, tests

    def __bool__(self) -> bool:
        return len(self.points) > 0

    @cached_property
    def crossings(self) -> list[Crossing]:
        """Each model against the baseline, in AUC and in logloss."""
        return crossings(self._section, self.points, self._tests)

    @property
    def headline(self) -> str:
        """Which model overtakes the baseline, at how many rows; empty for a single model."""
        return crossing_headline(self.crossings)

    @cached_property
    def figure(self) -> Figure:
        """Test AUC and logloss over the number of training rows."""
        caption = f"{self.headline[:1].upper()}{self.headline[1:]}." if self.headline else ""
        return draw_scaling(self.points, self.crossings, caption)

    @cached_property
    def table(self) -> Table:
        """The crossings, and each point as numbers."""
        rows = [_crossing_row(crossing) for crossing in self.crossings]
        numbers = self.points.drop(columns="group")
        notes = [crossing_note()] if rows else []
        return Table("How many training rows it takes", rows, "scaling", numbers, notes=notes)


def _crossing_row(crossing: Crossing) -> dict[str, str]:
    row = {
        "model": model_title(crossing.model),
        "against": model_title(crossing.other),
        "metric": metric_title(crossing.figure),
    }
    ends = zip((crossing.rows[0], crossing.rows[-1]), (0, -1), crossing.p, strict=True)
    for rows, place, p in ends:
        difference = crossing.differences[place]
        interval = (
            ""
            if difference.low != difference.low
            else f" [{difference.low:+.5f}, {difference.high:+.5f}]"
        )
        row[f"difference at {rows:,} rows"] = f"{difference.mean:+.5f}{interval}"
        row[f"p at {rows:,} rows"] = NONE if p != p else f"{p:.3f}" if p >= 0.001 else "< .001"
    return row | {"in words": crossing_text(crossing)}
