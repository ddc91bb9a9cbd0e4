"""A benchmark of click-through-rate models, by the formulae of their papers.

From Python: ``ctrbench.train("model=fm", "data=planted")`` is a run, trained by the words of the
command; ``ctrbench.open_run(path)`` one that is finished, ``ctrbench.runs("results")`` a table of
all, ``ctrbench.prepare("data=planted")`` encoded rows. Nothing heavy is imported before its use.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ctrbench import runs as runs
from ctrbench.version import __version__ as __version__

if TYPE_CHECKING:
    from ctrbench.data.store.opened import Store
    from ctrbench.runs.interface import Run


def open_run(path: str | Path) -> "Run":
    """A run's config, history, logits and model.

    Raises:
        UserError: if there is none.
    """
    from ctrbench.files import expanded
    from ctrbench.runs.interface import Run

    return Run(expanded(str(path)))


def train(*words: str) -> "Run":
    """Train one run, or find it finished.

    Args:
        words: KEY=VALUE, those of ``ctrbench train``.

    Raises:
        UserError: for words that do not fit, for data that cannot be used, for a loss that is not
            finite.
    """
    from ctrbench.runs.run import run
    from ctrbench.sweep.jobs import plan_run

    planned = plan_run(list(words))
    planned.results.check()
    run(planned)
    return open_run(planned.directory.path)


def prepare(*words: str) -> "Store":
    """Encode a data set, or find it encoded: columns, vocabularies, ids.

    Args:
        words: KEY=VALUE, those of ``ctrbench prepare``.

    Raises:
        UserError: for words that do not fit, for data that cannot be used.
    """
    from ctrbench.sweep.jobs import plan_rows

    planned = plan_rows(list(words))
    planned.results.check()
    return planned.prepare()
