"""How far a sweep has come: one line at a terminal, elsewhere lines of the log."""

import logging
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any, Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ctrbench.command.sweep.folder import DONE, FAILED, RUNNING, SweepFolder
from ctrbench.progress import duration

POLL_S = 0.5
log = logging.getLogger(__name__)


class Watch:
    """Looks into a sweep's folder while its jobs run.

    Args:
        runs: how many there are; None: a sweeper draws them.
        todo: those of them that were not finished before.
    """

    def __init__(self, folder: SweepFolder, runs: int | None, todo: int) -> None:
        self.folder, self.runs, self.todo = folder, runs, todo
        self.over, self.began, self.told = threading.Event(), time.monotonic(), 0
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.around = ExitStack()
        self.bar: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self.around.enter_context(logging_redirect_tqdm())
            self.bar = self.around.enter_context(tqdm(bar_format="{desc}", leave=False))
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self.thread.join()
        self.around.close()
        self.bar = None
        self._show()

    def _watch(self) -> None:
        while not self.over.wait(POLL_S):
            self._show()

    def _show(self) -> None:
        """What has changed; at a terminal the time left too, as it runs down."""
        jobs = self.folder.jobs()
        new = sum(job.state != RUNNING and not job.found for job in jobs)
        line = counted([job.state for job in jobs], self.runs)
        said = line + ("" if self.runs is None else left(new, self.todo, self._seconds()))
        if self.bar is not None:
            self.bar.set_description_str(said)
        elif (ended := sum(job.state != RUNNING for job in jobs)) > self.told:
            self.told = ended
            log.info("%s", said)

    def _seconds(self) -> float:
        return time.monotonic() - self.began


def counted(states: list[str], runs: int | None) -> str:
    """``runs: 3 of 42 done, 2 running, 1 failed``."""
    of = "" if runs is None else f" of {runs}"
    others = {state: states.count(state) for state in (RUNNING, FAILED)}
    also = "".join(f", {count} {state}" for state, count in others.items() if count)
    return f"runs: {states.count(DONE)}{of} done{also}"


def left(ended: int, todo: int, seconds: float) -> str:
    """``, about 5 min left``, if the rest goes as those did that ended."""
    if not 0 < ended < todo:
        return ""
    return f", about {duration(seconds / ended * (todo - ended))} left"
