"""The table of averages of a report."""

from ctrbench.report.group import FIGURES, Section
from ctrbench.report.judged.averages import GREEDY, Average, average_numbers, averages
from ctrbench.report.judged.paired import PairedTests
from ctrbench.report.judged.statistics import LEVEL
from ctrbench.report.names import metric_title, model_title
from ctrbench.report.table import Table

NOTE = (
    "Averages of logits. Differences are to the mean of the model's seeds, of the greedy average "
    "to that of the model in brackets, which is best on the validation rows, with an interval of "
    f"{LEVEL:.0%} over the test rows."
)
GREEDY_NOTE = (
    "The greedy average (Caruana et al. 2004) adds, again and again, the run that lowers the "
    "logloss of the validation rows most; how often each model is in it stands in brackets."
)
LACKING = "No greedy average: it needs the scores of validation rows, which runs keep from 0.3 on."


def averages_table(section: Section, tests: PairedTests) -> Table:
    """Return what averages of seeds and of models give; without rows where there are none."""
    found = averages(section, tests)
    has_greedy = any(average.model == GREEDY for average in found)
    single = len(section.runs) < 2
    notes = [NOTE, GREEDY_NOTE if has_greedy else "" if single else LACKING] if found else []
    return Table(
        "Averages",
        [_row(average) for average in found],
        "averages",
        average_numbers(found),
        notes=[note for note in notes if note],
        folded=True,
    )


def _row(average: Average) -> dict[str, str]:
    members = ", ".join(f"{model_title(model)} {n}" for model, n in average.members.items())
    count = sum(average.members.values())
    name = f"greedy ({members})" if average.model == GREEDY else model_title(average.model)
    row = {"average of": name, "runs": str(count)}
    against = f" ({model_title(average.against)})" if average.model == GREEDY else ""
    for figure in FIGURES:
        gain = average.gains[figure]
        interval = "" if gain.low != gain.low else f" [{gain.low:+.5f}, {gain.high:+.5f}]"
        row[metric_title(figure)] = f"{average.figures[figure]:.5f}"
        row[f"{metric_title(figure)} difference"] = f"{gain.mean:+.5f}{interval}{against}"
    return row
