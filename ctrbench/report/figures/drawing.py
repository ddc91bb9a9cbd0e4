"""How figures look: one style, a colour for a model, SVG whose text can be searched."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression

INK, PAPER_INK = "#112233", "#222222"  # of text and axes while drawn; on white paper
GREY = "#8c8c8c"  # what others printed
SOFT, PAPER_SOFT, PAGE_SOFT = "#445566", "#666666", "var(--soft)"  # its words, likewise
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's
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
DOT, WIDE, HIGH = 4.0, 6.2, 10.0  # points: half a dot, a letter's width, a name's height
# Where a name may stand: points from its dot, the share of it left of there, how it is aligned.
BESIDE = (
    *((5, 5, 0.0, "left"), (7, -3, 0.0, "left"), (5, -12, 0.0, "left"), (-7, -3, 1.0, "right")),
    *((-5, 5, 1.0, "right"), (-5, -12, 1.0, "right")),
    *((0, 7, 0.5, "center"), (0, -15, 0.5, "center")),
)
Numbers = npt.NDArray[np.float64]
_TOLD: WeakKeyDictionary[Line2D, list[str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        name: of its files.
        says: what is seen on it, in a sentence or two.
        svg: with ``INK`` where text and axes are, ``SOFT`` where words of what others printed are.
        png: on white.
    """

    name: str
    title: str
    says: str
    svg: str
    png: bytes

    @property
    def on_paper(self) -> str:
        """The SVG for white paper."""
        return self.svg.replace(INK, PAPER_INK).replace(SOFT, PAPER_SOFT)

    @property
    def on_page(self) -> str:
        """The SVG element in whatever colour the text around it has."""
        svg = self.svg[self.svg.index("<svg") :]
        return svg.replace(INK, "currentColor").replace(SOFT, PAGE_SOFT)


def canvas(
    rows: int, columns: int, size: tuple[float, float], **shared: Any
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of a grid of axes, ``size`` in inches each."""
    with matplotlib.rc_context(RULES):
        figure = Figure(figsize=(size[0] * columns, size[1] * rows + 0.5), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **shared)
    return figure, axes.tolist()


def entitle(panel: Axes, title: str) -> None:
    """Above the left end of a panel."""
    panel.set_title(title, fontsize=RULES["font.size"], loc="left")


def tell(points: Line2D, says: Iterable[str]) -> None:
    """Give each marker of a line its words, which a page shows where it is pointed at."""
    _TOLD[points] = list(says)


def finish(figure: Figure, name: str, title: str, says: str) -> Drawing:
    """The figure's files; the same figure gives the same bytes."""
    svg, png = io.BytesIO(), io.BytesIO()
    told = [line for panel in figure.axes for line in panel.lines if line in _TOLD]
    for i, line in enumerate(told):
        line.set_gid(f"told-{i}")
    with matplotlib.rc_context(RULES):
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.set_layout_engine("none")  # it stands; a second time takes as long
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    text = svg.getvalue().decode()
    for i, line in enumerate(told):
        text = _with_titles(text, f'<g id="told-{i}">', _TOLD[line])
    return Drawing(name, title, says, text, png.getvalue())


def _with_titles(svg: str, start: str, says: list[str]) -> str:
    """The SVG with words in the first markers behind a place, each a ``use`` of their shape."""
    before, behind = svg.split(start)
    titled = iter(says)
    behind = re.sub(
        r"<use ([^>]*)/>",
        lambda use: f"<use {use[1]}><title>{escape(next(titled))}</title></use>",
        behind,
        count=len(says),
    )
    return before + start + behind


@cache
def look(model: str) -> dict[str, Any]:
    """The colour, line and marker of a model, by its place in the registry."""
    from ctrbench.models.registry import names

    known = names()
    place = known.index(model) if model in known else len(known)
    again = place // len(PALETTE)
    return {
        "color": PALETTE[place % len(PALETTE)],
        "linestyle": STYLES[again % len(STYLES)],
        "marker": MARKERS[again % len(MARKERS)],
    }


def name_dots(panel: Axes, names: Iterable[str], x: Iterable[float], y: Iterable[float]) -> None:
    """Write the name of each dot beside it, where it meets the fewest dots and other names. Scales
    and margins are those that stay."""
    panel.autoscale_view()
    points = np.column_stack([np.fromiter(x, float), np.fromiter(y, float)])
    dots_N2 = panel.transData.transform(points) * 72 / panel.figure.dpi
    taken = [np.concatenate([dot - DOT, dot + DOT]) for dot in dots_N2]
    for name, point, dot in zip(names, points, dots_N2, strict=True):
        size = np.array([WIDE * len(name), HIGH])
        starts = [dot + np.array([dx - share * size[0], dy]) for dx, dy, share, _ in BESIDE]
        boxes = [np.concatenate([start, start + size]) for start in starts]
        others = np.array(taken)
        free = int(np.argmin([_meetings(box, others) for box in boxes]))
        taken.append(boxes[free])
        dx, dy, _, side = BESIDE[free]
        place: Any = {"textcoords": "offset points", "annotation_clip": False, "ha": side}
        panel.annotate(name, tuple(point), (dx, dy), color=INK, **place)


def _meetings(box_4: Numbers, others_N4: Numbers) -> int:
    """How many boxes (left, bottom, right, top) overlap one."""
    low, high = others_N4[:, :2] < box_4[2:], others_N4[:, 2:] > box_4[:2]
    return int((low & high).all(axis=1).sum())


def apart(heights: Iterable[float], least: float, within: tuple[float, float]) -> list[float]:
    """Heights for labels, in their order, moved apart by as little as can be (least squares).

    Args:
        least: from one to the next; less where so many do not fit.
        within: the lowest and the highest there may be.
    """
    wanted = np.fromiter(heights, float)
    low, high = within
    least = min(least, (high - low) / max(1, len(wanted) - 1))
    order = np.argsort(wanted, kind="stable")
    steps = least * np.arange(len(wanted))
    level = isotonic_regression(wanted[order] - steps).x
    placed = np.empty_like(wanted)
    placed[order] = np.clip(level, low, high - least * (len(wanted) - 1)) + steps
    return [float(height) for height in placed]
