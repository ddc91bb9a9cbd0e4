"""How far a long piece of work has come."""

import logging
import sys
from typing import Any

from tqdm import tqdm

LINE_S = 30.0  # seconds between two lines of the log
BAR_S = 0.5
LINE = "{desc} {n_fmt} of {total_fmt}{unit}, {percentage:.0f} %, {rate_fmt}, {remaining} left"
log = logging.getLogger(__name__)


class Progress(tqdm):  # type: ignore[type-arg]
    """A bar at a terminal; elsewhere a line of the log now and then.

    Either appears only where the work takes so long.
    """

    def __init__(self, what: str, *, total: int | None = None, unit: str = " rows") -> None:
        self.is_bar = sys.stderr.isatty()
        every = BAR_S if self.is_bar else LINE_S
        super().__init__(
            desc=what,
            total=total,
            unit=unit,
            unit_scale=True,
            leave=False,
            miniters=1,
            mininterval=every,
            maxinterval=every,
            delay=every,
            bar_format=None if self.is_bar else LINE,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Show the state; tqdm calls it where it is time to."""
        if self.is_bar:
            return super().display(msg, pos)
        if msg is None:  # else it clears the bar
            log.info("%s", self)
        return None
