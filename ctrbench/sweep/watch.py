"""The progress of a sweep: one line at a terminal, else lines of the log."""

import logging
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any, Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ctrbench.progress import duration
from ctrbench.sweep.folder import DONE, ENDED, FAILED, RUNNING, SweepFolder

POLL_S = 0.5
log = logging.getLogger(__name__)


class Watch:
    """A thread that follows a sweep's folder while its jobs run.

    Args:
        runs: how many there are; None: a sweeper draws them.
        finished: those of them that were finished before, and are no jobs of the folder.
    """

    def __init__(self, folder: SweepFolder, runs: int | None, finished: int = 0) -> None:
        self.folder, self.runs, self.finished = folder, runs, finished
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
        """Show what has changed; at a terminal also the time left."""
        jobs = self.folder.jobs()
        new = sum(job.state in ENDED and not job.found for job in jobs)
        line = count_text([DONE] * self.finished + [job.state for job in jobs], self.runs)
        todo = 0 if self.runs is None else self.runs - self.finished
        text = line + time_left_text(new, todo, self._seconds())
        if self.bar is not None:
            self.bar.set_description_str(text)
        elif (ended := sum(job.state in ENDED for job in jobs)) > self.told:
            self.told = ended
            log.info("%s", text)

    def _seconds(self) -> float:
        return time.monotonic() - self.began


def count_text(states: list[str], runs: int | None) -> str:
    """Return ``runs: 3 of 42 done, 2 running, 1 failed``."""
    of = "" if runs is None else f" of {runs}"
    others = {state: states.count(state) for state in (RUNNING, FAILED)}
    also = "".join(f", {count} {state}" for state, count in others.items() if count)
    return f"runs: {states.count(DONE)}{of} done{also}"


def time_left_text(ended: int, todo: int, seconds: float) -> str:
    """Return ``, about 5 min left``, if the remaining runs take as long as those that ended."""
    if not 0 < ended < todo:
        return ""
    return f", about {duration(seconds / ended * (todo - ended))} left"
