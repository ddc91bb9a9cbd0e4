"""How far a long piece of work is: a bar at a terminal, elsewhere a line now and then."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

SECONDS = 30.0  # between two lines
LINE = "{desc}: {n_fmt} of {total_fmt} rows, {rate_fmt}, {remaining} left"
log = logging.getLogger(__name__)


class _Lines(tqdm):  # type: ignore[type-arg]
    """Lines of the log in place of a bar."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if msg is None and 0 < self.n:
            log.info("%s", self)


@contextmanager
def bar(what: str, total: int, done: int = 0) -> Iterator["tqdm[Any]"]:
    """Shows how many rows are done, the rate and the time that is left; told by its ``update``.

    Args:
        total: rows to do.
        done: of them, before this.
    """
    words: dict[str, Any] = {"desc": what, "total": total, "initial": done, "leave": False}
    words |= {"unit": " rows", "unit_scale": True}
    if sys.stderr.isatty():
        with tqdm(**words) as shown, logging_redirect_tqdm():
            yield shown
    else:
        with _Lines(bar_format=LINE, mininterval=SECONDS, maxinterval=SECONDS, **words) as shown:
            yield shown
