"""A search: trials of Optuna that share a journal, each of them trained as a run is.

Several processes may work at one search at once: they share its folder. A trial has a place in the
search. Its values depend on the seed, the place and the trials that have ended, so a search that
was killed draws as one that was not. A trial whose process has died is begun again in its place,
with the values that it had, from its last checkpoint.
"""

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.samplers import TPESampler
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState

from ctrbench.errors import DivergenceError, UserError
from ctrbench.monitor import Monitor, is_maximised, monitored, name_of, valid_figures
from ctrbench.progress import duration
from ctrbench.runs.record import JOURNAL, RunDirectory
from ctrbench.runs.run import run
from ctrbench.tune.pruner import Lagging
from ctrbench.tune.request import OVERRIDES, Request

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
PLACE = "place"  # an attribute of a trial
RANDOM = 5  # trials before TPE learns of them; Optuna's ten are all that a laptop's search has
log = logging.getLogger(__name__)


class Search:
    """The trials of a request, done or to be done.

    Args:
        trials: of all processes and starts together.
        warmup: evaluations before a trial may be ended early.
    """

    def __init__(self, request: Request, trials: int, warmup: int) -> None:
        self.request, self.trials, self.folder = request, trials, request.folder
        trainer = request.base.settings.trainer
        self.monitor: Monitor = trainer.monitor
        self.pruner = Lagging(warmup)
        self.began, self.ended = time.monotonic(), 0  # trials of this process

    def run(self) -> optuna.Study:
        """Train the trials that are left; return when every trial has ended, whichever process ran
        it."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock("begin"), self._readable():
            study = self._open()
        while True:
            with ExitStack() as held:
                with self.lock("begin"), self._readable():
                    trial = self._begin(study, held)
                if trial is not None:
                    self._try(study, trial)
                    self.ended += 1
                elif not self._wait(study):
                    return study

    def lock(self, name: str) -> FileLock:
        """Return a lock of the search. It is the kernel's: a killed process holds none."""
        return FileLock(self.folder / f".{name}.lock")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Name the journal in place of Optuna's error where it is damaged."""
        path = self.folder / JOURNAL
        try:
            yield
        except (ValueError, LookupError, AssertionError, TypeError) as error:
            raise UserError(
                f"{path}: not the journal of a search ({type(error).__name__}); delete "
                f"{self.folder} and run again"
            ) from None

    def _open(self) -> optuna.Study:
        lock: Any = self.lock("journal")
        path = self.folder / JOURNAL
        with lock:
            _drop_half_line(path)
        backend = JournalFileBackend(str(path), lock)
        return optuna.create_study(
            study_name="search",
            storage=JournalStorage(backend),
            load_if_exists=True,
            direction="maximize" if is_maximised(self.monitor) else "minimize",
            pruner=self.pruner,
        )

    def _begin(self, study: optuna.Study, held: ExitStack) -> optuna.Trial | None:
        """Begin the trial of the first free place, and hold its lock; None if no place is free."""
        self._free(study)
        if (place := self._next_place(study)) is None:
            return None
        seed = self.request.base.settings.seed
        state = np.random.SeedSequence([seed, place]).generate_state(1)
        study.sampler = TPESampler(seed=int(state[0]), n_startup_trials=RANDOM)
        trial = study.ask()
        held.enter_context(self.lock(f"trial-{trial.number}"))
        overrides = [f"{one.key}={one.suggest(trial)}" for one in self.request.space]
        trial.set_user_attr(OVERRIDES, overrides)
        title = f"{self.request.model}: trial {place + 1} of {self.trials}{self._left(place)}"
        log.info("%s: %s", title, " ".join(overrides))
        return trial

    def _left(self, place: int) -> str:
        """Return how long the remaining trials will take, if they take as long as this process's
        did."""
        if not self.ended:
            return ""
        seconds = (time.monotonic() - self.began) / self.ended * (self.trials - place)
        return f", about {duration(seconds)} left"

    def _free(self, study: optuna.Study) -> None:
        """Free the places of trials whose process has died."""
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            try:
                with self.lock(f"trial-{trial.number}").acquire(blocking=False):
                    study.tell(trial.number, state=TrialState.FAIL)
            except Timeout:  # it is under way
                continue

    def _next_place(self, study: optuna.Study) -> int | None:
        """Enqueue a trial for the first free place, unless a killed process did; return the place.

        Its values are those that a dead trial of the place had drawn. Otherwise place 0 has the
        values of the run without a search, and the other places draw theirs.
        """
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state == TrialState.WAITING:
                place = int(trial.user_attrs[PLACE])
                return place if place < self.trials else None
        states = (*ENDED, TrialState.RUNNING)
        taken = {trial.user_attrs[PLACE] for trial in trials if trial.state in states}
        place = next(place for place in range(len(taken) + 1) if place not in taken)
        if place >= self.trials:
            return None
        values = self.request.defaults() if place == 0 else {}
        for trial in trials:
            if trial.user_attrs[PLACE] == place and OVERRIDES in trial.user_attrs:
                values = trial.params
        study.enqueue_trial(values, user_attrs={PLACE: place})
        return place

    def _wait(self, study: optuna.Study) -> bool:
        """Wait until a trial of another process has ended or died; False if there is none."""
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            if trial.user_attrs[PLACE] < self.trials:
                log.info("waiting for trial %d of another process", trial.user_attrs[PLACE] + 1)
                with self.lock(f"trial-{trial.number}"):
                    return True
        return False

    def _try(self, study: optuna.Study, trial: optuna.Trial) -> None:
        plan = self.request.plan(trial.user_attrs[OVERRIDES])
        directory = plan.directory
        reported = 0

        def watch(history: list[dict[str, Any]], *, may_prune: bool = True) -> None:
            nonlocal reported
            for line in history[reported:]:
                reported += 1
                trial.report(monitored(self.monitor, valid_figures(line)), reported)
                if may_prune and trial.should_prune():
                    raise optuna.TrialPruned(f"after {reported} evaluations")

        try:
            result = run(plan, watch)
        except (optuna.TrialPruned, DivergenceError) as error:
            _delete_weights(directory)
            study.tell(trial, state=TrialState.PRUNED)
            log.info("ended early: %s", error)
        else:
            # A killed process may have finished the run and not told the study.
            lines = directory.history.read_text().splitlines()
            watch([json.loads(line) for line in lines], may_prune=False)
            trial.set_user_attr("valid", result["metrics"]["valid"])
            trial.set_user_attr("identity", plan.identity)
            _delete_weights(directory)
            study.tell(trial, monitored(self.monitor, result["metrics"]["valid"]))
            self._tell_best(study)

    def _tell_best(self, study: optuna.Study) -> None:
        best = study.best_trial
        log.info("best so far: valid %s %.5f: %s", name_of(self.monitor), *_shown(best))


def _drop_half_line(path: Path) -> None:
    """Remove the line that a killed process, or a full disk, left half-written."""
    if path.exists() and not (data := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)


def _delete_weights(directory: RunDirectory) -> None:
    """Delete what only a run needs: a trial is known by its result."""
    for path in (directory.checkpoint, directory.weights):
        path.unlink(missing_ok=True)


def _shown(trial: optuna.trial.FrozenTrial) -> tuple[float, str]:
    return cast(float, trial.value), " ".join(trial.user_attrs[OVERRIDES])
