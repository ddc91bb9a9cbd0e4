"""Figures for a paper: PDF in the width of a column, or of a page where panels stand side by side;
and the style file that figures are restyled by."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from ctrbench.errors import UserError, one_line

COLUMN, PAGE = 3.4, 7.0  # inches, of a text in two columns
FONT, LEAST_FONT = 7.0, 6.0  # points
FLATTEST = 0.7  # of a figure's height, whatever its width shrinks to
# Colours of text and axes are those of the page, light or dark.
OF_PAGE = {"axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"}
EMBEDDED: Any = {"pdf.fonttype": 42}  # fonts as TrueType, which publishers take


def to_pdf(figure: Canvas, rules: Any) -> bytes:
    """Return a figure as PDF, laid out anew in its width on paper; the figure keeps that size.

    Args:
        rules: of the style; its ``figure.figsize`` is the width, its ``font.size`` that of texts.
    """
    is_restyled = "figure.figsize" in rules
    width, height = figure.get_size_inches()
    paper = rules["figure.figsize"][0] if is_restyled else _width(figure)
    figure.set_size_inches(paper, height * max(paper / width, FLATTEST))
    shrink = 1.0 if is_restyled else FONT / rules["font.size"]
    texts: list[Any] = figure.findobj(Text)
    for text in texts:
        text.set_fontsize(max(LEAST_FONT, text.get_fontsize() * shrink))
    figure.set_layout_engine("constrained")
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells each glyph
    pdf = io.BytesIO()
    with matplotlib.rc_context(rules | EMBEDDED):
        figure.savefig(pdf, format="pdf", facecolor="white", metadata={"CreationDate": None})
    return pdf.getvalue()


def _width(figure: Canvas) -> float:
    """Return the width of a page where panels stand side by side, else that of a column."""
    specs = [panel.get_subplotspec() for panel in figure.axes]
    return PAGE if any(spec and spec.get_gridspec().ncols > 1 for spec in specs) else COLUMN


def read_style(path: Path) -> dict[str, Any]:
    """Read a matplotlib style file.

    Raises:
        UserError: for a file that is not there, with a rule that is not known, or a wrong value.
    """
    warnings = _Messages()
    logger = logging.getLogger("matplotlib")
    logger.addHandler(warnings)
    before, logger.propagate = logger.propagate, False
    try:
        rules = dict(matplotlib.rc_params_from_file(path, True, use_default_template=False))
    except OSError as error:
        raise UserError(f"style={path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"style={path}: {one_line(error)}") from None
    finally:
        logger.removeHandler(warnings)
        logger.propagate = before
    if warnings.texts:
        raise UserError(f"style={path}: {' '.join(warnings.texts[0].split())}")
    if rules.get("text.usetex"):
        raise UserError(f"style={path}: text.usetex: figures are drawn without LaTeX; leave it out")
    return {name: value for name, value in rules.items() if name not in OF_PAGE}


class _Messages(logging.Handler):
    """The warnings of matplotlib about a file."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def styled(rules: dict[str, Any], style: Path | None) -> Iterator[None]:
    """Draw by a style file within the block.

    Args:
        rules: of all figures, which those of the file replace.
    """
    before = dict(rules)
    rules.update({} if style is None else read_style(style))
    try:
        yield
    finally:
        rules.clear()
        rules.update(before)
