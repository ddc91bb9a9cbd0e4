"""HTML pages of one style that open from a disk, without a network."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from ctrbench.settings import digest

if TYPE_CHECKING:
    from ctrbench.report.figures.drawing import Figure

TEMPLATES = Path(__file__).parent / "templates"
LONGEST = 150  # characters of a name: a file's has 255, with what is drawn
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
    environment.filters |= {"inline": inline, "is_number": is_number, "slug": slug}
    environment.globals["marks"] = MARKS
    environment.tests["command"] = lambda cell: isinstance(cell, Command)
    environment.tests["figure"] = lambda item: hasattr(item, "svg")
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    return environment


def inline(drawing: "Figure") -> Markup:
    """Return a figure as an SVG element with unique ids, labelled by its caption."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", drawing.on_page, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{slug(drawing.name)}-", svg)
    named = f'aria-label="{escape(drawing.title)}" aria-describedby="{slug(drawing.name)}-caption"'
    width = re.search(r'width="([\d.]+)pt"', svg)
    pixels = f"{float(width[1]) * 4 / 3:.0f}px" if width else "100%"
    style = f"width:{pixels};min-width:min(32rem,{pixels})"  # narrower, its text is too small
    svg = re.sub(r'<svg ([^>]*?)(?:width|height)="[\d.]+pt"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)(?:width|height)="[\d.]+pt"', r"<svg \1", svg, count=1)
    return Markup(f'<svg role="img" {named} style="{style}" ' + svg[len("<svg ") :])


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with its deviation or interval if any: it stands on the
    right."""
    return re.fullmatch(r"[+-]?[\d.,]+(e-?\d+)?%?( [±+*/(\[].*)?", cell) is not None


def slug(text: str) -> str:
    """Return a text as part of a file name or an address; a long one is cut and ends in a hash."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{digest(text)}"
