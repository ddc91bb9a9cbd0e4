"""Training steps measured in turn, drawn as Figure 6 of the DeepFM paper: each over LR's.

``step_times.json`` is what was measured. :func:`step_times_drawing` and :func:`step_times_table`
take its content; :func:`write_step_times` writes both beside it. Reports of runs show the drawing,
and hold the paper's claims about time against :func:`seconds_of_rounds`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from ctrbench.errors import UserError
from ctrbench.files import write_atomic
from ctrbench.report.figures.drawing import GREY, INK, PALETTE, Drawing, canvas, entitle, finish
from ctrbench.report.html import render
from ctrbench.report.markdown import markdown
from ctrbench.report.published.printed import published
from ctrbench.runs.record import STEP_TIMES, Results

DRAWING = "step_times"  # its name
OURS, OPERATIONS, OURS_BEFORE = PALETTE[0], PALETTE[4], PALETTE[5]
GREY_BEFORE = "#c4c4c4"
Seconds = npt.NDArray[np.float64]
HEIGHT = 0.26  # of a bar; two models are one apart
HEADINGS = {
    "model": "model",
    "step_ms": "step ms",
    "time_over_lr": "time / LR",
    "time_quarter": "25 %",
    "time_three_quarters": "75 %",
    "pretrain_over_lr": "pre-training / LR",
    "paper_time_over_lr": "paper's time / LR",
    "paper_pretrain_over_lr": "paper's pre-training / LR",
    "operations_over_lr": "operations / LR",
    "times_the_limit": "step / limit",
}


def read_step_times(path: Path) -> dict[str, Any]:
    """What was measured.

    Raises:
        UserError: if the file is no such result.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text())
        first = result["models"][0]
        known = result["environment"]["device"] and first["time_over_lr"] and first["rounds"]
    except (ValueError, KeyError, IndexError, TypeError):
        known = None
    if not known:
        raise UserError(f"{path}: not a measurement of steps; delete it")
    return result


def find_step_times(folders: list[Path], place: Results) -> dict[str, Any] | None:
    """The first that lies in some folders, else that of the results; None where there is none.

    Raises:
        UserError: as :func:`read_step_times`.
    """
    there = [path for folder in folders for path in sorted(folder.rglob(STEP_TIMES))]
    paths = [path for path in (*there, place.step_times) if path.exists()]
    return read_step_times(paths[0]) if paths else None


def seconds_of_rounds(result: dict[str, Any], model: str) -> Seconds | None:
    """R, seconds of a model's step in each round, those of the model that it starts from added.

    A round has a step of every model, so that two models are compared round by round. None where it
    was not measured.
    """
    by_name = {one["model"]: one for one in result["models"]}
    names = [model, by_name.get(model, {}).get("starts_from")]
    if any(name is not None and name not in by_name for name in names):
        return None
    taken = [np.asarray(by_name[name]["rounds"], float) for name in names if name is not None]
    total: Seconds = np.sum(taken, axis=0)
    return total


def measured_on(result: dict[str, Any]) -> str:
    """The machine and the sizes, in words."""
    here = result["environment"]
    return (
        f"{here['device']}, {here['threads']} threads, {here['precision']}, batch "
        f"{result['batch_size']:,}, {result['features']:,} features"
    )


def same_environment(result: dict[str, Any], environment: dict[str, Any]) -> bool:
    """Whether it was measured on the kind of device, and in the precision, of some runs."""
    here = result["environment"]
    return all(here[key] == environment[f"environment.{key}"] for key in ("device", "precision"))


def step_times_frame(result: dict[str, Any]) -> pd.DataFrame:
    """A row a model, numbers alone, the paper's beside; NaN where it prints none.

    The paper's bars are those of its CPU beside our CPU, those of its GPU beside our GPU.
    """
    printed = published("deepfm_figure6")
    kind = "cpu" if result["environment"]["device"].startswith("cpu") else "gpu"
    own = printed[printed["device"] == kind].set_index("model")
    frame = pd.DataFrame([_row(one) for one in result["models"]]).set_index("model")
    frame["paper_time_over_lr"] = own["time_over_lr"]
    frame["paper_pretrain_over_lr"] = own["pretrain_time_over_lr"]
    frame.loc[frame.index == "lr", "paper_time_over_lr"] = 1.0
    return frame.reset_index()[list(HEADINGS)]


def _row(one: dict[str, Any]) -> dict[str, Any]:
    time, before = one["time_over_lr"], one.get("pretrain_time_over_lr") or {}
    return {
        "model": one["model"],
        "step_ms": 1e3 * one["seconds"]["step, real-like ids"]["median"],
        "time_over_lr": time["median"],
        "time_quarter": time["quarter"],
        "time_three_quarters": time["three_quarters"],
        "pretrain_over_lr": before.get("median", float("nan")),
        "operations_over_lr": one["operations_over_lr"],
        "times_the_limit": one["times_the_limit"],
    }


def step_times_table(result: dict[str, Any]) -> list[dict[str, str]]:
    """The same as text, for Markdown and the page."""
    frame = step_times_frame(result)
    return [
        {
            heading: row[key]
            if key == "model"
            else "-"
            if pd.isna(row[key])
            else f"{row[key]:,.2f}"
            for key, heading in HEADINGS.items()
        }
        for row in frame.to_dict("records")
    ]


def step_times_drawing(result: dict[str, Any]) -> Drawing:
    """Bars of time over LR's, the paper's in grey beside; right, of operations over LR's."""
    frame = step_times_frame(result)
    size = (3.9, 0.36 * len(frame) + 0.9)
    figure, ((times, operations),) = canvas(1, 2, size, sharey=True)
    middle = pd.Series(range(len(frame)), dtype=float)
    for place, prefix, colors, who in (
        (middle - HEIGHT / 2, "", (OURS, OURS_BEFORE), ("ours", "its FM before")),
        (middle + HEIGHT / 2, "paper_", (GREY, GREY_BEFORE), ("the paper", "its pre-training")),
    ):
        step, before = (frame[f"{prefix}{part}_over_lr"] for part in ("time", "pretrain"))
        _bars(times, place, step, color=colors[0], label=who[0])
        _bars(times, place, before, step, color=colors[1], label=who[1])
        _lengths(times, place, step, before)
    _bars(operations, middle, frame["operations_over_lr"], color=OPERATIONS)
    _lengths(operations, middle, frame["operations_over_lr"], middle * float("nan"))
    times.set_yticks(middle, list(frame["model"]))
    times.invert_yaxis()
    for panel, title in ((times, "time / LR"), (operations, "operations / LR")):
        panel.set_xscale("log")
        panel.set_xlim(left=0.5, right=3 * panel.get_xlim()[1])
        panel.xaxis.set_major_formatter("{x:,g}")
        panel.set_xlabel("times LR's")
        entitle(panel, title)
    times.legend(frameon=False, fontsize=7, labelcolor=INK)
    return finish(figure, DRAWING, "Training time relative to LR's", _says(result, frame))


def _bars(
    panel: Axes, y: pd.Series, width: pd.Series, left: pd.Series | None = None, **style: Any
) -> None:
    """Bars, behind those on the left where they are given."""
    start = pd.Series(0.0, y.index) if left is None else left
    known = width.notna() & start.notna()
    if known.any():
        panel.barh(y[known], width[known], HEIGHT, left=start[known], **style)


def _lengths(panel: Axes, y: pd.Series, width: pd.Series, more: pd.Series) -> None:
    """At the ends of bars, with what is stacked behind them."""
    style: Any = {"textcoords": "offset points", "va": "center", "fontsize": 7, "color": INK}
    for place, first, second in zip(y, width, more, strict=True):
        text, end = f"{first:,.0f}" if first >= 100 else f"{first:.2f}", first
        if second == second:
            text, end = f"{text} + {second:.2f}", first + second
        if first == first:
            panel.annotate(text, (end, place), (3, 0), **style)


def _says(result: dict[str, Any], frame: pd.DataFrame) -> str:
    others = frame[frame["model"] != "lr"]
    spoken = ", ".join(
        f"{row['model']} {row['time_over_lr']:.1f}" for row in others.to_dict("records")
    )
    operations = others["operations_over_lr"]
    least = f"{operations.min():,.0f} to {operations.max():,.0f}" if len(others) else "1"
    return (
        f"A training step as a multiple of LR's: {spoken or 'lr alone'}, on {measured_on(result)}; "
        f"the paper's bars in grey. By operations the models take {least} times LR's; the ratios "
        "of time are smaller because LR's step is mostly fixed overhead. "
        "Both axes are logarithmic."
    )


def write_step_times(path: Path) -> str:
    """Draw a measurement (PNG, SVG) and write its table (Markdown, CSV) and its page beside it.

    Returns:
        The table as text, and the folder.
    """
    result = read_step_times(path)
    drawing, folder = step_times_drawing(result), path.parent
    rows = step_times_table(result)
    table, title = markdown(rows), result.get("title", drawing.title)
    page = render("table.html", title=title, rows=rows, note="", drawings=[drawing])
    write_atomic(folder / "index.html", page)
    write_atomic(folder / f"{drawing.name}.svg", drawing.on_paper)
    write_atomic(folder / f"{drawing.name}.png", drawing.png)
    write_atomic(folder / f"{drawing.name}.md", f"{table}\n\n{drawing.says}\n")
    write_atomic(folder / f"{drawing.name}.csv", step_times_frame(result).to_csv(index=False))
    return f"{table}\n\n{drawing.says}\n{folder}"
