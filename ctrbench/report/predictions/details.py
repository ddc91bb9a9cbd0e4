"""What the predictions of the test rows show, as figures and tables of a report."""

from dataclasses import replace

from ctrbench.errors import one_line
from ctrbench.report.figures.drawing import Figure
from ctrbench.report.predictions import calibration, slices
from ctrbench.report.predictions.read import Predictions
from ctrbench.report.table import Table


def calibration_details(rows: Predictions) -> list[Figure | Table]:
    """Return the figure and the table of calibration."""
    tenths = calibration.deciles(rows)
    cells = calibration.calibration_rows(rows, tenths)
    table = Table("Calibration", cells, "calibration", tenths)
    return [calibration.draw_calibration(rows, tenths), table]


def slice_details(rows: Predictions, field: str | None) -> list[Figure | Table]:
    """Return a figure and a table for each slicing; a damaged store is named in a table."""
    details: list[Figure | Table] = []
    try:
        slicings = slices.slicings(rows, field)
    except Exception as error:  # a store is damaged, in whatever way
        if field is not None:
            raise
        reason = [{"store": str(rows.store), "cannot be read": one_line(error)}]
        details.append(Table("Slices left out", reason))
        slicings = slices.slicings(replace(rows, store=None))
    for slicing in slicings:
        scores = slices.slice_metrics(rows, slicing)
        figure = slices.draw_slices(scores, slicing)
        details += [] if figure is None else [figure]
        numbers = scores.assign(by=slicing.title)
        title = f"AUC of slices {slicing.title}"
        details.append(Table(title, slices.slice_rows(scores), "slices", numbers))
    return details
