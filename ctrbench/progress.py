"""How far a long piece of work has come."""

import logging
import sys
import threading
from contextlib import ExitStack
from typing import Any, Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

LINE_S = 30.0  # seconds between two lines of the log
BAR_S = 0.5
ACTIVITY_S = 0.5  # before a line, which then takes as long to appear
MINUTE_S = 60.0
LINE = "{desc}{n_fmt} of {total_fmt}{unit}, {percentage:.0f} %, {rate_fmt}, {remaining} left"
UNKNOWN = "{desc}{n_fmt}{unit}, {rate_fmt}"  # where the end is not known
log = logging.getLogger(__name__)


def duration(seconds: float) -> str:
    """Return a duration as text: ``40 s``, ``12 min``, ``2 h 5 min``."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE_S)
    hours = f"{minutes // 60} h" if minutes >= 60 else ""
    return f"{hours} {minutes % 60} min".strip() if minutes % 60 else hours


class Progress(tqdm):  # type: ignore[type-arg]
    """A bar at a terminal; elsewhere a line of the log now and then.

    Either appears only where the work takes so long.

    Args:
        total: rows to do, where that is known.
        initial: of them, before this.
    """

    def __init__(self, what: str, *, total: int | None = None, initial: int = 0) -> None:
        self.is_bar = sys.stderr.isatty()
        self.around = ExitStack()
        every = BAR_S if self.is_bar else LINE_S
        super().__init__(
            desc=f"{what}: ",
            total=total,
            initial=initial,
            unit=" rows",
            unit_scale=True,
            leave=False,
            miniters=1,
            mininterval=every,
            maxinterval=every,
            delay=every,
            bar_format=None if self.is_bar else LINE if total else UNKNOWN,
        )

    def __enter__(self) -> Self:
        if self.is_bar:  # lines of the log stand above it
            self.around.enter_context(logging_redirect_tqdm())
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.around.close()

    def restart(self, what: str) -> None:
        """Count from 0 again, under another name."""
        self.set_description(what, refresh=False)
        self.reset()

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Show the state; tqdm calls it where it is time to."""
        if self.is_bar:
            self.delay = 0.0  # else tqdm would not clear a bar that was restarted a moment ago
            return super().display(msg, pos)
        if msg is None and self.n > 0:  # else it clears the bar, or begins anew
            log.info("%s", self)
        return None


class Activity:
    """A line at a terminal that says what is being done, once it has taken a second.

    Args:
        what: is done; :attr:`now` adds what is under way.
    """

    def __init__(self, what: str) -> None:
        self.what, self.now = what, ""
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._show, daemon=True)
        self.around = ExitStack()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self.around.enter_context(logging_redirect_tqdm())  # lines of the log stand above it
            self.thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.is_over.set()
        if self.thread.is_alive():
            self.thread.join()
        self.around.close()

    def _show(self) -> None:
        if self.is_over.wait(ACTIVITY_S):
            return
        with tqdm(bar_format="{desc}, {elapsed}", leave=False) as bar:
            while not self.is_over.wait(BAR_S):
                bar.set_description_str(f"{self.what} {self.now}".rstrip())
