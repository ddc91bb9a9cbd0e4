"""Training steps measured in turn, drawn as Figure 6 of the DeepFM paper: each over LR's.

``step_times.json`` is what was measured. :func:`step_times_drawing` and :func:`step_times_table`
take its content; :func:`write_step_times` writes both beside it. Reports of runs show the drawing,
and test the paper's claims about time by :func:`seconds_of_rounds`.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from ctrbench.errors import UserError
from ctrbench.markdown import csv_of, markdown
from ctrbench.report.figures.drawing import (
    GREY,
    INK,
    PALETTE,
    Figure,
    canvas,
    save_figure,
    set_title,
)
from ctrbench.report.html import render
from ctrbench.report.names import model_title
from ctrbench.report.output import write_folder
from ctrbench.report.published.printed import published
from ctrbench.results import STEP_TIMES, Results

log = logging.getLogger(__name__)
DRAWING = "step_times"  # its name
OURS, OPERATIONS, OURS_BEFORE = PALETTE[0], PALETTE[4], PALETTE[5]
GREY_BEFORE = "#c4c4c4"
Seconds = npt.NDArray[np.float64]
HEIGHT = 0.26  # of a bar; two models are one apart
HEADINGS = {
    "model": "model",
    "step_ms": "step (ms)",
    "time_over_lr": "time relative to LR",
    "time_quarter": "25 %",
    "time_three_quarters": "75 %",
    "pretrain_over_lr": "pre-training relative to LR",
    "paper_time_over_lr": "paper's time relative to LR",
    "paper_pretrain_over_lr": "paper's pre-training relative to LR",
    "operations_over_lr": "operations relative to LR",
    "times_the_limit": "step relative to the limit",
}


def read_step_times(path: Path) -> dict[str, Any]:
    """Read a measurement of steps."""
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        first = result["models"][0]
        is_whole = result["environment"]["device"] and first["time_over_lr"] and first["rounds"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        is_whole = None
    if not is_whole:
        raise UserError(f"{path}: not a measurement of steps; delete it")
    return result


def find_step_times(folders: list[Path], results: Results) -> dict[str, Any] | None:
    """Return the first measurement in some folders, else that of the results; None without one.

    One that is damaged is left out with a line that says so.
    """
    measured = [path for folder in folders for path in sorted(folder.rglob(STEP_TIMES))]
    paths = [path for path in (*measured, results.step_times) if path.exists()]
    for path in paths:
        try:
            return read_step_times(path)
        except UserError as error:
            log.warning("%s", error)
    return None


def seconds_of_rounds(result: dict[str, Any], model: str) -> Seconds | None:
    """Return R seconds of a model's step, one a round, with those of the model it starts from.

    A round has a step of every model, so that two models are compared round by round. None where it
    was not measured.
    """
    by_name = {row["model"]: row for row in result["models"]}
    names = [model, by_name.get(model, {}).get("starts_from")]
    if any(name is not None and name not in by_name for name in names):
        return None
    seconds_of_models = [
        np.asarray(by_name[name]["rounds"], float) for name in names if name is not None
    ]
    total: Seconds = np.sum(seconds_of_models, axis=0)
    return total


def measured_on(result: dict[str, Any]) -> str:
    """Return the machine and the sizes as text."""
    environment = result["environment"]
    return (
        f"{environment['device']}, {environment['threads']} threads, {environment['precision']}, "
        f"batch {result['batch_size']:,}, {result['features']:,} features"
    )


def same_environment(result: dict[str, Any], environment: dict[str, Any]) -> bool:
    """Return whether device and precision of a measurement are those of some runs."""
    measured = result["environment"]
    return all(
        measured[key] == environment[f"environment.{key}"] for key in ("device", "precision")
    )


def step_times_frame(result: dict[str, Any]) -> pd.DataFrame:
    """Return a row for each model as numbers, with the paper's; NaN where it prints none.

    The paper's bars are those of its CPU beside our CPU, those of its GPU beside our GPU.
    """
    printed = published("deepfm_figure6")
    kind = "cpu" if result["environment"]["device"].startswith("cpu") else "gpu"
    paper_rows = printed[printed["device"] == kind].set_index("model")
    frame = pd.DataFrame([_row(row) for row in result["models"]]).set_index("model")
    frame["paper_time_over_lr"] = paper_rows["time_over_lr"]
    frame["paper_pretrain_over_lr"] = paper_rows["pretrain_time_over_lr"]
    frame.loc[frame.index == "lr", "paper_time_over_lr"] = 1.0
    return frame.reset_index()[list(HEADINGS)]


def _row(measured: dict[str, Any]) -> dict[str, Any]:
    time, before = measured["time_over_lr"], measured.get("pretrain_time_over_lr") or {}
    return {
        "model": measured["model"],
        "step_ms": 1e3 * measured["seconds"]["step, real-like ids"]["median"],
        "time_over_lr": time["median"],
        "time_quarter": time["quarter"],
        "time_three_quarters": time["three_quarters"],
        "pretrain_over_lr": before.get("median", float("nan")),
        "operations_over_lr": measured["operations_over_lr"],
        "times_the_limit": measured["times_the_limit"],
    }


def step_times_table(result: dict[str, Any]) -> list[dict[str, str]]:
    """Return the same as text, for Markdown and the page."""
    frame = step_times_frame(result)
    return [
        {
            heading: model_title(row[key])
            if key == "model"
            else "-"
            if pd.isna(row[key])
            else f"{row[key]:,.2f}"
            for key, heading in HEADINGS.items()
        }
        for row in frame.to_dict("records")
    ]


def step_times_drawing(result: dict[str, Any]) -> Figure:
    """Draw bars of time over LR's with the paper's in grey; right, of operations over LR's."""
    frame = step_times_frame(result)
    size = (3.9, 0.36 * len(frame) + 0.9)
    figure, ((times, operations),) = canvas(1, 2, size, sharey=True)
    middle = pd.Series(range(len(frame)), dtype=float)
    for place, prefix, colors, who in (
        (middle - HEIGHT / 2, "", (OURS, OURS_BEFORE), ("ours", "its FM before")),
        (middle + HEIGHT / 2, "paper_", (GREY, GREY_BEFORE), ("the paper", "its pre-training")),
    ):
        step, before = (frame[f"{prefix}{part}_over_lr"] for part in ("time", "pretrain"))
        _draw_bars(times, place, step, color=colors[0], label=who[0])
        _draw_bars(times, place, before, step, color=colors[1], label=who[1])
        _write_lengths(times, place, step, before)
    _draw_bars(operations, middle, frame["operations_over_lr"], color=OPERATIONS)
    _write_lengths(operations, middle, frame["operations_over_lr"], middle * float("nan"))
    times.set_yticks(middle, [model_title(name) for name in frame["model"]])
    times.invert_yaxis()
    for panel, title in ((times, "time"), (operations, "operations")):
        panel.set_xscale("log")
        panel.set_xlim(left=0.5, right=3 * panel.get_xlim()[1])
        panel.xaxis.set_major_formatter("{x:,g}")
        panel.set_xlabel("times LR's")
        set_title(panel, title)
    times.legend(frameon=False, fontsize=7, labelcolor=INK)
    return save_figure(figure, DRAWING, "Training time relative to LR's", _caption(result, frame))


def step_times_sentence(result: dict[str, Any]) -> str:
    """Return the fastest and the slowest model beside LR, with the paper's times of both."""
    frame = step_times_frame(result)
    others = frame[frame["model"] != "lr"]
    if others.empty:
        return "No model beside LR was measured."
    columns = ("time_over_lr", "pretrain_over_lr", "paper_time_over_lr", "paper_pretrain_over_lr")
    ours, ours_before, papers, papers_before = (others[name].astype(float) for name in columns)
    ours, papers = ours + ours_before.fillna(0), papers + papers_before.fillna(0)
    ends = []
    for place, word in ((ours.idxmin(), "fastest"), (ours.idxmax(), "slowest")):
        paper = "" if pd.isna(papers[place]) else f" (the paper: {papers[place]:.3g})"
        name = model_title(others["model"][place])
        ends.append(f"{name} is the {word} at {ours[place]:.3g} times LR's time{paper}")
    return f"{'; '.join(ends if len(others) > 1 else ends[:1])}."


def _draw_bars(
    panel: Axes, y: pd.Series, width: pd.Series, left: pd.Series | None = None, **style: Any
) -> None:
    """Draw bars, stacked on those of ``left`` if given."""
    start = pd.Series(0.0, y.index) if left is None else left
    is_known = width.notna() & start.notna()
    if is_known.any():
        panel.barh(y[is_known], width[is_known], HEIGHT, left=start[is_known], **style)


def _write_lengths(panel: Axes, y: pd.Series, width: pd.Series, more: pd.Series) -> None:
    """Write the lengths of bars at their ends, with those of what is stacked on them."""
    style: Any = {"textcoords": "offset points", "va": "center", "fontsize": 7, "color": INK}
    for place, first, second in zip(y, width, more, strict=True):
        text, end = f"{first:,.0f}" if first >= 100 else f"{first:.2f}", first
        if second == second:
            text, end = f"{text} + {second:.2f}", first + second
        if first == first:
            panel.annotate(text, (end, place), (3, 0), **style)


def _caption(result: dict[str, Any], frame: pd.DataFrame) -> str:
    others = frame[frame["model"] != "lr"]
    spoken = ", ".join(
        f"{model_title(row['model'])} {row['time_over_lr']:.1f}"
        for row in others.to_dict("records")
    )
    operations = others["operations_over_lr"]
    least = f"{operations.min():,.0f} to {operations.max():,.0f}" if len(others) else "1"
    return (
        f"A training step as a multiple of LR's: {spoken or 'LR alone'}, on {measured_on(result)}; "
        f"the paper's bars in grey. By operations the models take {least} times LR's; the ratios "
        "of time are smaller because LR's step is mostly fixed overhead. "
        "Both axes are logarithmic."
    )


def write_step_times(path: Path, question: str = "") -> str:
    """Draw a measurement (PNG, SVG) and write its table (Markdown, CSV) and its page beside it.

    Returns:
        The table as text, and the folder.
    """
    result = read_step_times(path)
    drawing, folder = step_times_drawing(result), path.parent
    rows = step_times_table(result)
    table, title = markdown(rows), result.get("title", drawing.title)
    sentence = step_times_sentence(result)
    page = render(
        "table.html",
        title=title,
        question=question,
        headline=sentence,
        rows=rows,
        drawings=[drawing],
    )
    files: dict[str, str | bytes] = {
        "index.html": page,
        f"{drawing.name}.svg": drawing.on_paper,
        f"{drawing.name}.png": drawing.png,
        f"{drawing.name}.md": f"{sentence}\n\n{table}\n\n{drawing.caption}\n",
        f"{drawing.name}.csv": csv_of(step_times_frame(result)),
    }
    write_folder(folder, files)
    return f"{sentence}\n\n{table}\n\n{drawing.caption}\n{folder}"
