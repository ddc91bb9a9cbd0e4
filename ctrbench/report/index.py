"""The page that lists the reports of a results folder, ``report/index.html``."""

import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

from markupsafe import Markup

from ctrbench.files import write_atomic
from ctrbench.report.html import render

PAGE, MARK = "index.html", '<ul class="reports">'
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
HEADLINE = re.compile(r'<p class="headline">(.*?)</p>', re.DOTALL)


def write_index(folder: Path) -> None:
    """List the reports below a folder with their first sentence, the newest first.

    A page of that name that this did not write stays.
    """
    if (folder / PAGE).exists() and MARK not in (folder / PAGE).read_text(errors="replace"):
        return
    pages = sorted(folder.glob(f"*/{PAGE}"), key=lambda page: (-page.stat().st_mtime, page))
    reports = [_describe(page) for page in pages]
    write_atomic(folder / PAGE, render("index.html", title="Reports", reports=reports))


def _describe(page: Path) -> dict[str, str]:
    """Return the title and first sentence of a report's page, its folder and its day."""
    text = page.read_text(errors="replace")
    written = datetime.fromtimestamp(page.stat().st_mtime, UTC)
    return {
        "name": page.parent.name,
        "title": _first(TITLE, text) or page.parent.name,
        "sentence": _first(HEADLINE, text),
        "written": f"{written:%Y-%m-%d %H:%M} UTC",
    }


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return "" if found is None else unescape(Markup(found[1]).striptags())
