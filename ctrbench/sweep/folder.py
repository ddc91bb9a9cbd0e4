"""The folder of a sweep: its jobs report their state here, wherever they run."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ctrbench import signals
from ctrbench.config.keys import key_of, keys_of
from ctrbench.files import write_atomic

PATIENCE_S = 20.0  # for a checkpoint
GRACE_S = 1.0  # for jobs that got the signal themselves
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
ENDED = (DONE, FAILED)
BASIC, JOBLIB, LOCAL = "BasicLauncher", "JoblibLauncher", "LocalLauncher"


@dataclass
class JobFile:
    """The state of a job that has begun: ``job-NUMBER.json`` in the folder.

    Attributes:
        words: of its overrides.
        found: whether its run was finished before.
        message: why it failed.
        path: the directory of its run.
        process: the host that it runs on, and its number there.
    """

    number: int
    words: list[str]
    found: bool = False
    state: str = RUNNING
    message: str = ""
    path: str = ""
    process: tuple[str, int] = field(default_factory=lambda: (socket.gethostname(), os.getpid()))


@dataclass
class SweepFolder:
    """The files of a sweep: ``sweep.json``, written before the first job, and one for each job.

    Attributes:
        ended: jobs that will not change, by their file: not read again.
    """

    path: Path
    ended: dict[str, JobFile] = field(default_factory=dict)

    def begin(self, side_by_side: int, numbers: list[int] | None = None) -> None:
        """Write what every job needs to know.

        Args:
            numbers: of the jobs in the whole sweep, some of which may be finished.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        sweep = {"side_by_side": side_by_side, "numbers": numbers}
        write_atomic(self.path / "sweep.json", json.dumps(sweep))

    @cached_property
    def _sweep(self) -> dict[str, Any]:
        path = self.path / "sweep.json"
        sweep: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return sweep

    @property
    def side_by_side(self) -> int:
        """The number of its jobs that share a machine; 1 if that is not known."""
        return int(self._sweep.get("side_by_side", 1))

    def number_of(self, launched: int) -> int:
        """Return the number in the whole sweep of the job that the launcher counts as
        `launched`."""
        numbers = self._sweep.get("numbers")
        return int(numbers[launched]) if numbers else launched

    def tell(self, job: JobFile) -> None:
        """Write the state of a job."""
        write_atomic(self.path / f"job-{job.number:06}.json", json.dumps(vars(job)))

    def stop(self, number: int) -> None:
        """End the jobs on this machine, which write a checkpoint, then every other process that
        this one started.

        Args:
            number: the signal that this process got. Ctrl-C at a terminal reaches the jobs too, and
                a second signal would cost them their checkpoint.
        """
        children = descendants(os.getpid())
        jobs = {job.number for job in self._running() if job.process[1] != os.getpid()}

        def alive() -> set[int]:
            return {job.process[1] for job in self._running() if job.number in jobs}

        if number == signal.SIGINT:
            _wait_while(alive, GRACE_S)
        _send(signal.SIGINT, alive())
        _wait_while(alive, PATIENCE_S)
        _send(signal.SIGKILL, children)
        _wait_while(lambda: any(map(is_alive, children)), GRACE_S)

    def _running(self) -> list[JobFile]:
        """Return the jobs on this machine that have not ended and whose process is alive."""
        jobs = [job for job in self.jobs() if job.state == RUNNING]
        return [
            job
            for job in jobs
            if job.process[0] == socket.gethostname() and is_alive(job.process[1])
        ]

    def log_of(self, number: int) -> Path:
        """Return the log of a job that shares its terminal with others."""
        return self.path / f"job-{number:06}.log"

    def jobs(self) -> list[JobFile]:
        """Return the jobs that have begun, in order."""
        running = []
        for path in self.path.glob("job-*.json"):
            if path.name in self.ended:
                continue
            job = JobFile(**json.loads(path.read_text()))
            if job.state == RUNNING:
                running.append(job)
            else:
                self.ended[path.name] = job
        return sorted([*self.ended.values(), *running], key=lambda job: job.number)


def descendants(process: int) -> set[int]:
    """Return the processes below one, but for trackers of resources: these end by themselves and
    remove what the others leave."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            if b"resource_tracker" not in (path / "cmdline").read_bytes():
                status = (path / "stat").read_text().rpartition(")")[2].split()
                parents[int(path.name)] = int(status[1])
    children, new = set[int](), {process}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - children
        children |= new
    return children


def is_alive(process: int) -> bool:
    """Return whether a process still runs; a zombie counts as ended."""
    try:
        os.kill(process, 0)
        stat = Path(f"/proc/{process}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except PermissionError:  # it is there, and another user's
        return True
    except OSError:
        return False


def _send(number: int, processes: Iterable[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _wait_while(condition: Callable[[], object], seconds: float) -> None:
    """Wait while a condition holds, at most so long."""
    until = time.monotonic() + seconds
    while condition() and time.monotonic() < until:
        time.sleep(0.05)


def launcher_name(hydra: DictConfig) -> str:
    """Return the name of a launcher's class."""
    return str(hydra.launcher["_target_"]).rpartition(".")[2]


def runs_in_other_processes(hydra: DictConfig) -> bool:
    """Return whether a launcher runs its jobs in other processes."""
    return launcher_name(hydra) != BASIC


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # macOS has none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def stopping_jobs_on_signal(hydra: DictConfig, folder: SweepFolder) -> Iterator[None]:
    """End all processes of the sweep when a signal comes, before it is raised here."""
    kind = launcher_name(hydra)
    if kind == JOBLIB:  # its tracker warns of what it then removes
        os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    # Workers of joblib that wait for a job, and Submitit's controllers, would each end with a
    # traceback: they inherit the mask, and another thread of this process takes the signal.
    blocked = {signal.SIGINT} if kind in (JOBLIB, LOCAL) else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        with signals.before_raising(folder.stop) if kind != BASIC else nullcontext():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interruptible(hydra: DictConfig) -> Iterator[None]:
    """Let a process that a launcher started take Ctrl-C, which it ignores while it waits for a
    job."""
    if launcher_name(hydra) not in (JOBLIB, LOCAL):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # threads of the job do not have the mask
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def limit_to_cores(hydra: DictConfig, words: list[str]) -> list[str]:
    """Return overrides for a launcher that would start more jobs at once than there are cores."""
    limit = {
        JOBLIB: f"hydra.launcher.n_jobs={usable_cores()}",
        LOCAL: f"hydra.sweeper.max_batch_size={usable_cores()}",
    }.get(launcher_name(hydra))
    return [limit] if limit is not None and key_of(limit) not in keys_of(words) else []


def concurrent_jobs(hydra: DictConfig, jobs: int | None) -> int:
    """Return how many jobs of a sweep this machine runs at once.

    One, where another program places them (Slurm, Ray): it gives each its share.

    Args:
        jobs: of the sweep; None of a sweeper that draws them, so many at once as it says.
    """
    jobs = hydra.sweeper.get("n_jobs", sys.maxsize) if jobs is None else jobs
    kind, most = launcher_name(hydra), 1
    if kind == JOBLIB:
        from joblib import effective_n_jobs

        most = effective_n_jobs(hydra.launcher.n_jobs)
    elif kind == LOCAL:
        most = hydra.sweeper.get("max_batch_size") or jobs
    return max(1, min(most, jobs))


def machine_share(number: int, beside: int, gpus: int) -> dict[str, Any]:
    """Return a job's share of a machine that runs several at once: threads, and a GPU if there are
    several."""
    if beside == 1:
        return {}
    overrides: dict[str, Any] = {"threads": max(1, usable_cores() // beside)}
    return overrides | ({"device": f"cuda:{number % gpus}"} if gpus > 1 else {})
