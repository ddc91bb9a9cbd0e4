"""A search: trials of Optuna that share a journal, each of them trained as a run is.

Several processes may work at one search at once: they share its folder. What a killed one had under
way is taken up again by the next that begins a trial, from its last checkpoint.
"""

import logging
from contextlib import ExitStack
from typing import Any, cast

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.samplers import TPESampler
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState

from ctrbench.command.tune.pruner import Lagging
from ctrbench.command.tune.request import Request
from ctrbench.errors import DivergenceError
from ctrbench.monitor import Monitor, is_maximised, monitored, name_of, valid_figures
from ctrbench.runs.record import JOURNAL
from ctrbench.runs.run import run

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
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

    def run(self) -> optuna.Study:
        """Do what is left to do."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock("begin"):
            study = self._open()
        while True:
            with ExitStack() as held:
                with self._lock("begin"):
                    trial = self._begin(study, held)
                if trial is None:
                    return study
                self._try(study, trial)

    def _lock(self, name: str) -> FileLock:
        """The kernel's, so that a killed process holds none."""
        return FileLock(self.folder / f".{name}.lock")

    def _open(self) -> optuna.Study:
        lock: Any = self._lock("journal")
        backend = JournalFileBackend(str(self.folder / JOURNAL), lock)
        study = optuna.create_study(
            study_name="search",
            storage=JournalStorage(backend),
            load_if_exists=True,
            direction="maximize" if is_maximised(self.monitor) else "minimize",
            pruner=self.pruner,
        )
        if not study.trials:
            study.enqueue_trial(self.request.defaults())
        return study

    def _begin(self, study: optuna.Study, held: ExitStack) -> optuna.Trial | None:
        """The next trial, whose lock is held until it has ended; None if there are enough.

        It is drawn by its place and the run's seed, whatever process draws it: a search that was
        stopped draws as one that was not.
        """
        self._free(study)
        states = (*ENDED, TrialState.RUNNING)
        place = len(study.get_trials(deepcopy=False, states=states))
        if place >= self.trials:
            return None
        seed = self.request.base.settings.seed
        state = np.random.SeedSequence([seed, place]).generate_state(1)
        study.sampler = TPESampler(seed=int(state[0]), n_startup_trials=RANDOM)
        trial = study.ask()
        held.enter_context(self._lock(f"trial-{trial.number}"))
        words = [f"{one.key}={one.suggest(trial)}" for one in self.request.space]
        trial.set_user_attr("words", words)
        log.info("trial %d of %d: %s", place + 1, self.trials, " ".join(words))
        return trial

    def _free(self, study: optuna.Study) -> None:
        """What a process left that has ended is tried again."""
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            try:
                with self._lock(f"trial-{trial.number}").acquire(blocking=False):
                    study.tell(trial.number, state=TrialState.FAIL)
                    study.enqueue_trial(trial.params)
            except Timeout:  # it is under way
                continue

    def _try(self, study: optuna.Study, trial: optuna.Trial) -> None:
        planned = self.request.plan(trial.user_attrs["words"])
        reported = 0

        def watch(history: list[dict[str, Any]]) -> None:
            nonlocal reported
            for line in history[reported:]:
                reported += 1
                trial.report(monitored(self.monitor, valid_figures(line)), reported)
            if trial.should_prune():
                raise optuna.TrialPruned(f"after {reported} evaluations")

        try:
            result = run(planned, watch)
        except (optuna.TrialPruned, DivergenceError) as error:
            study.tell(trial, state=TrialState.PRUNED)
            log.info("ended early: %s", error)
        else:
            trial.set_user_attr("valid", result["metrics"]["valid"])
            trial.set_user_attr("identity", planned.identity)
            study.tell(trial, monitored(self.monitor, result["metrics"]["valid"]))
            self._tell_best(study)
        for path in (planned.directory.checkpoint, planned.directory.weights):
            path.unlink(missing_ok=True)

    def _tell_best(self, study: optuna.Study) -> None:
        best = study.best_trial
        log.info("best so far: valid %s %.5f: %s", name_of(self.monitor), *_shown(best))


def _shown(trial: optuna.trial.FrozenTrial) -> tuple[float, str]:
    return cast(float, trial.value), " ".join(trial.user_attrs["words"])
