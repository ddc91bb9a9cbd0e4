"""HTML pages of one style that open from a disk, without a network."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from ctrbench.markdown import NONE, Rows
from ctrbench.settings import digest

if TYPE_CHECKING:
    from ctrbench.report.figures.drawing import Figure

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 150  # characters of a name: a file's has 255, with what is drawn
BROAD = 640  # pixels of a figure that takes the whole width
MARKS = {
    "reproduced": "good",
    "so far reproduced": "good",
    "not reproduced": "bad",
    "undecided": "open",
    "no verdict": "open",
    "failed": "bad",
}


class Command(str):
    """A cell that holds a command, shown on demand and to be copied."""


class Link(str):
    """A cell that leads to a figure of the page."""

    to: str

    def __new__(cls, text: str, to: str) -> "Link":
        link = super().__new__(cls, text)
        link.to = to
        return link


class Best(str):
    """A cell that is the best of its column."""


class Axis(str):
    """The head of a column of :class:`Dots`."""

    ticks: list[tuple[float, str]]

    def __new__(cls, text: str, ticks: list[tuple[float, str]]) -> "Axis":
        axis = super().__new__(cls, text)
        axis.ticks = ticks
        return axis


class Dots(str):
    """A cell with a dot and its deviation, and with what others printed; places in per cent."""

    text: str
    place: float
    low: float
    width: float
    papers: list[float]
    color: str

    def __new__(cls, value: str, **places: Any) -> "Dots":
        dots = super().__new__(cls, value)
        dots.__dict__.update(places)
        return dots


CELLS = {"command": Command, "link": Link, "best": Best, "axis": Axis, "dots": Dots}


def render(template: str, **values: Any) -> str:
    """Return a page of ``templates``, with style, script and figures in it."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"inline": inline, "numeric_heads": numeric_heads, "slug": slug}
    environment.globals["marks"] = MARKS
    environment.tests |= {name: _is_a(cls) for name, cls in CELLS.items()}
    environment.tests["broad"] = is_broad
    environment.tests["figure"] = lambda item: hasattr(item, "svg")
    return environment


def _is_a(cls: type) -> Callable[[object], bool]:
    return lambda cell: isinstance(cell, cls)


def inline(drawing: "Figure") -> Markup:
    """Return a figure as an SVG element, or as one for wide and one for narrow windows."""
    if not drawing.narrow:
        return _element(drawing, drawing.on_page(drawing.svg))
    layouts = {"broad": drawing.svg, "narrow": drawing.narrow}
    elements = [_element(drawing, drawing.on_page(svg), name) for name, svg in layouts.items()]
    return Markup("").join(elements)


def _element(drawing: "Figure", svg: str, layout: str = "") -> Markup:
    """Return an SVG element with unique ids, labelled by the figure's caption.

    Args:
        layout: its class; without one the element stays wide enough for its text to be read.
    """
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    prefix = f"{slug(drawing.name)}-{'n-' if layout == 'narrow' else ''}"
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", svg)
    named = f'aria-label="{escape(drawing.title)}" aria-describedby="{slug(drawing.name)}-caption"'
    pixels = _pixels(svg)
    least = "" if layout else f";min-width:min(32rem,{pixels:.0f}px)"
    svg = re.sub(r'<svg ([^>]*?)(?:width|height)="[\d.]+pt"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)(?:width|height)="[\d.]+pt"', r"<svg \1", svg, count=1)
    style = f'class="{layout}" style="width:{pixels:.0f}px{least}"'
    return Markup(f'<svg role="img" {named} {style} ' + svg[len("<svg ") :])


def _pixels(svg: str) -> float:
    """Return the width that a drawing has at its own size."""
    width = re.search(r'width="([\d.]+)pt"', svg)
    return float(width[1]) * 4 / 3 if width else BROAD


def is_broad(drawing: "Figure") -> bool:
    """Return whether a figure needs the whole width of a page."""
    return _pixels(drawing.svg) > BROAD


def numeric_heads(rows: Rows) -> list[str]:
    """Return the heads of columns that hold numbers, or nothing."""
    return [
        head
        for head in (rows[0] if rows else ())
        if all(row[head] == NONE or is_number(row[head]) for row in rows)
    ]


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with its deviation or interval if any: it stands on the
    right."""
    return re.fullmatch(r"[+-]?[\d.,]+(e-?\d+)?%?( [±+*/(\[].*)?", cell) is not None


def slug(text: str) -> str:
    """Return a text as part of a file name or an address; a long one is cut and ends in a hash."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{digest(text)}"
