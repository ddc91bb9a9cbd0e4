"""A table of a report."""

from dataclasses import dataclass, field

import pandas as pd

from ctrbench.markdown import Rows


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        rows: cells of text.
        numbers: the same as numbers, for a CSV file of the name ``file``; empty without one.
        intro: the sentence above the table.
        notes: the sentences below it.
        folded: whether a page shows it on demand.
    """

    title: str
    rows: Rows
    file: str = ""
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)
    intro: str = ""
    notes: list[str] = field(default_factory=list)
    folded: bool = False
