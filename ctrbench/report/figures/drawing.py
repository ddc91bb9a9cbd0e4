"""The style of figures: one look, a colour for a model, SVG whose text can be searched."""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from typing import Any
from weakref import WeakKeyDictionary
from zlib import crc32

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression

from ctrbench.models.registry import names
from ctrbench.report.figures.paper import to_pdf

INK, PAPER_INK = "#112233", "#222222"  # of text and axes while drawn; on white paper
GREY = "#8c8c8c"  # what others printed
SOFT, PAPER_SOFT, PAGE_SOFT = "#445566", "#666666", "var(--soft)"  # its words, likewise
# The first six after Okabe and Ito, each further one the farthest from all before it (in OKLab, as
# seen with and without deuteranopia), of a luminance that white and dark paper both show.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#C0649A", "#B07A00", "#2F95C9", "#3D6D0C", "#865555"),
    *("#923DAA", "#AA79F3", "#006D6D", "#C2313D", "#55AA18", "#5579F3", "#F36179", "#796D9E"),
    *("#B63179", "#6D7955", "#6155CE", "#009218", "#9E5500", "#DB6DCE", "#869E61", "#248692"),
    *("#CE8661", "#9261CE", "#9E86C2", "#AA6D61", "#C2869E", "#798618", "#556186", "#6D92FF"),
    *("#B649AA", "#DB4961", "#6D6131", "#F36D31", "#3D9E9E", "#924986", "#0C6DDB", "#008661"),
)
DISTINCT = 8  # colours with one marker and line
DEVIATION = "one standard deviation over seeds"  # the one meaning of ±, bars and bands
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P")
RULES: Any = {  # any: its type names every rule there is
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": ["sans-serif"],
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "ctrbench",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}
DOT, WIDE, HIGH = 4.0, 5.6, 9.0  # points: half a dot, a letter's width, a name's height
LEADER = 16.0  # points from a dot to its name that are joined by a line
# Where a name may stand: points from its dot, the share of it left of there, how it is aligned.
BESIDE = (
    *((6, 3, 0.0, "left"), (7, -4, 0.0, "left"), (6, -11, 0.0, "left"), (-7, -4, 1.0, "right")),
    *((-6, 3, 1.0, "right"), (-6, -11, 1.0, "right")),
    *((0, 7, 0.5, "center"), (0, -15, 0.5, "center")),
)
AROUND = tuple(
    (reach * np.cos(angle), reach * np.sin(angle) - HIGH / 2, *side)
    for reach in (20, 32, 46, 62, 80, 100)
    for angle, side in (
        (turn * np.pi / 12, (0.0, "left") if np.cos(turn * np.pi / 12) > -0.01 else (1.0, "right"))
        for turn in range(24)
    )
)
PLACES = BESIDE + AROUND
Numbers = npt.NDArray[np.float64]
_PAGE_MODELS: ContextVar[tuple[str, ...]] = ContextVar("models of the page", default=())
_TOOLTIPS: WeakKeyDictionary[Line2D, list[str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        name: of its files.
        caption: what is seen on it, in a sentence or two.
        svg: with ``INK`` where text and axes are, ``SOFT`` where words of what others printed are.
        png: on white.
        pdf: for a paper.
        narrow: the SVG for narrow windows, with fewer columns; empty where there is one layout.
    """

    name: str
    title: str
    caption: str
    svg: str
    png: bytes
    pdf: bytes = b""
    narrow: str = ""

    @property
    def on_paper(self) -> str:
        """The SVG for white paper."""
        return self.svg.replace(INK, PAPER_INK).replace(SOFT, PAPER_SOFT)

    @staticmethod
    def on_page(svg: str) -> str:
        """Return the element of an SVG in whatever colour the text around it has."""
        svg = svg[svg.index("<svg") :]
        return svg.replace(INK, "currentColor").replace(SOFT, PAGE_SOFT)


def canvas(
    rows: int, columns: int, size: tuple[float, float], **shared: Any
) -> tuple[Canvas, list[list[Axes]]]:
    """Make a grid of axes, ``size`` in inches each."""
    with matplotlib.rc_context(RULES):
        figure = Canvas(figsize=(size[0] * columns, size[1] * rows + 0.5), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **shared)
    return figure, axes.tolist()


def set_title(panel: Axes, title: str) -> None:
    """Write the title above the left end of a panel."""
    panel.set_title(title, fontsize=RULES["font.size"], loc="left")


def set_tooltips(points: Line2D, texts: Iterable[str]) -> None:
    """Set the text that a page shows for each marker of a line under the pointer."""
    _TOOLTIPS[points] = list(texts)


def save_figure(
    figure: Canvas, name: str, title: str, caption: str, narrow: Canvas | None = None
) -> Figure:
    """Return a figure as SVG, PNG and PDF; the same figure gives the same bytes.

    Args:
        narrow: the same for narrow windows.
    """
    svg, png = _to_svg(figure), io.BytesIO()
    with matplotlib.rc_context(RULES):
        figure.set_layout_engine("none")  # it stands; a second time takes as long
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    pdf = to_pdf(figure, RULES)
    narrow_svg = "" if narrow is None else _to_svg(narrow)
    return Figure(name, title, caption, svg, png.getvalue(), pdf, narrow_svg)


def _to_svg(figure: Canvas) -> str:
    svg = io.BytesIO()
    lines = [line for panel in figure.axes for line in panel.lines if line in _TOOLTIPS]
    for i, line in enumerate(lines):
        line.set_gid(f"tooltips-{i}")
    with matplotlib.rc_context(RULES):
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    text = svg.getvalue().decode()
    for i, line in enumerate(lines):
        text = _with_titles(text, f'<g id="tooltips-{i}">', _TOOLTIPS[line])
    return text


def panels_of(
    count: int, columns: int, size: tuple[float, float], **shared: Any
) -> tuple[Canvas, list[Axes], int]:
    """Make panels in rows of so many columns; return them without empty ones, and the columns."""
    width = min(columns, count)
    figure, axes = canvas(-(-count // width), width, size, **shared)
    panels = [panel for row in axes for panel in row]
    for panel in panels[count:]:
        panel.set_visible(False)
    return figure, panels[:count], width


def _with_titles(svg: str, start: str, tooltips: list[str]) -> str:
    """Return the SVG with titles in the first markers after ``start``, each a ``use`` element."""
    before, behind = svg.split(start)
    titled = iter(tooltips)
    behind = re.sub(
        r"<use ([^>]*)/>",
        lambda use: f"<use {use[1]}><title>{escape(next(titled))}</title></use>",
        behind,
        count=len(tooltips),
    )
    return before + start + behind


@contextmanager
def page_models(models: Iterable[str]) -> Iterator[None]:
    """Give each of the models of a page a colour of its own."""
    token = _PAGE_MODELS.set(tuple(models))
    try:
        yield
    finally:
        _PAGE_MODELS.reset(token)


def line_style(model: str) -> dict[str, Any]:
    """Return the colour, line and marker of a model, by its place among the models of the page."""
    models = _PAGE_MODELS.get() or tuple(names())
    others = len(PALETTE) * len(MARKERS)  # for those of other systems, by their names
    place = models.index(model) if model in models else len(models) + crc32(model.encode()) % others
    rounds = place // DISTINCT
    return {
        "color": PALETTE[place % len(PALETTE)],
        "linestyle": STYLES[rounds % len(STYLES)],
        "marker": MARKERS[rounds % len(MARKERS)],
    }


def label_points(
    panel: Axes, labels: Iterable[str], x: Iterable[float], y: Iterable[float]
) -> None:
    """Write the name of each dot near it, joined to it by a line where it stands apart, where it
    meets no dot and no other name. Scales and margins are those that stay. A name that fits nowhere
    is left out."""
    panel.autoscale_view()
    points = np.column_stack([np.fromiter(x, float), np.fromiter(y, float)])
    figure: Any = panel.figure
    figure.draw_without_rendering()  # lays the panels out
    scale = 72 / panel.figure.dpi
    dots_N2 = panel.transData.transform(points) * scale
    frame = np.asarray(panel.get_window_extent().extents) * scale
    taken = [np.concatenate([dot - DOT, dot + DOT]) for dot in dots_N2]
    for label, point, dot in zip(labels, points, dots_N2, strict=True):
        size = np.array([WIDE * len(label), HIGH])
        for dx, dy, share, side in PLACES:
            start = dot + np.array([dx - share * size[0], dy])
            box = np.concatenate([start, start + size])
            inside = (box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all()
            if inside and not _meetings(box, np.array(taken)):
                taken.append(box)
                _annotate(panel, label, point, (dx, dy), side)
                break


def _annotate(panel: Axes, label: str, point: Numbers, shift: Any, side: str) -> None:
    far = np.hypot(*shift) > LEADER
    line: Any = {"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkA": 0, "shrinkB": 3}
    panel.annotate(
        label,
        tuple(point),
        shift,
        color=INK,
        fontsize=8,
        textcoords="offset points",
        ha=side,
        arrowprops=line if far else None,
    )


def _meetings(box_4: Numbers, others_N4: Numbers) -> int:
    """Count the boxes (left, bottom, right, top) that overlap one."""
    low, high = others_N4[:, :2] < box_4[2:], others_N4[:, 2:] > box_4[:2]
    return int((low & high).all(axis=1).sum())


def spread_labels(
    heights: Iterable[float], least: float, within: tuple[float, float]
) -> list[float]:
    """Return heights of labels, in their order, moved apart as little as possible (least squares).

    Args:
        least: from one to the next; less where so many do not fit.
        within: the lowest and the highest there may be.
    """
    heights_N = np.fromiter(heights, float)
    low, high = within
    least = min(least, (high - low) / max(1, len(heights_N) - 1))
    order = np.argsort(heights_N, kind="stable")
    steps = least * np.arange(len(heights_N))
    level = isotonic_regression(heights_N[order] - steps).x
    placed = np.empty_like(heights_N)
    placed[order] = np.clip(level, low, high - least * (len(heights_N) - 1)) + steps
    return [float(height) for height in placed]
