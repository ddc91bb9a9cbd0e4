"""The folder of a sweep: what its jobs, wherever they run, tell the command that began them."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ctrbench.command.composition.keys import key_of, keys_of
from ctrbench.files import write_atomic

PATIENCE_S = 20.0  # for a checkpoint
RUNNING, DONE, FAILED = "running", "done", "failed"
BASIC, JOBLIB, LOCAL = "BasicLauncher", "JoblibLauncher", "LocalLauncher"


@dataclass
class JobFile:
    """A job that has begun: ``job-NUMBER.json`` in the folder.

    Attributes:
        words: of its overrides.
        found: whether its run was finished before.
        message: why it failed.
        process: the host that it runs on, and its number there.
    """

    number: int
    words: list[str]
    found: bool = False
    state: str = RUNNING
    message: str = ""
    process: tuple[str, int] = field(default_factory=lambda: (socket.gethostname(), os.getpid()))


@dataclass
class SweepFolder:
    """Its files: ``sweep.json``, written before the first job, and one for each job.

    Attributes:
        ended: jobs that will not change, by their file: not read again.
    """

    path: Path
    ended: dict[str, JobFile] = field(default_factory=dict)

    def begin(self, side_by_side: int) -> None:
        """What every job is to know."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / "sweep.json", json.dumps({"side_by_side": side_by_side}))

    @property
    def side_by_side(self) -> int:
        """How many of its jobs share a machine; one where that is not known."""
        path = self.path / "sweep.json"
        return int(json.loads(path.read_text())["side_by_side"]) if path.exists() else 1

    def tell(self, job: JobFile) -> None:
        """What has become of a job."""
        write_atomic(self.path / f"job-{job.number:06}.json", json.dumps(vars(job)))

    def stop(self) -> None:
        """Ask the jobs on this machine to end, which they do with a checkpoint, and wait for it."""
        running = [job.process for job in self.jobs() if job.state == RUNNING]
        here = {number for host, number in running if host == socket.gethostname()}
        waited_for = here - {os.getpid()}
        for number in waited_for:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGINT)
        until = time.monotonic() + PATIENCE_S
        while any(map(_is_alive, waited_for)) and time.monotonic() < until:
            time.sleep(0.1)

    def log_of(self, number: int) -> Path:
        """What a job says that shares its terminal with others."""
        return self.path / f"job-{number:06}.log"

    def jobs(self) -> list[JobFile]:
        """Those that have begun, in their order."""
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


def _is_alive(process: int) -> bool:
    """Whether the process still runs; a zombie counts as ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def launcher_of(hydra: DictConfig) -> str:
    """The name of a launcher's class."""
    return str(hydra.launcher["_target_"]).rpartition(".")[2]


def is_elsewhere(hydra: DictConfig) -> bool:
    """Whether a launcher runs its jobs in processes of their own."""
    return launcher_of(hydra) != BASIC


def cores() -> int:
    """Of this machine, that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def ready_to_stop(hydra: DictConfig) -> Iterator[None]:
    """Ctrl-C leaves one line, whatever stands between this process and its jobs."""
    kind = launcher_of(hydra)
    if kind == JOBLIB:  # its tracker warns of what it then removes
        os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    # Submitit's controllers would each end with a traceback: they inherit the mask, and another
    # thread of ours takes the signal.
    blocked = {signal.SIGINT} if kind == LOCAL else set()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def one_a_core(hydra: DictConfig, words: list[str]) -> list[str]:
    """Words for a launcher that would start more jobs at once than this machine has cores."""
    own = {
        JOBLIB: f"hydra.launcher.n_jobs={cores()}",
        LOCAL: f"hydra.sweeper.max_batch_size={cores()}",
    }.get(launcher_of(hydra))
    return [own] if own is not None and key_of(own) not in keys_of(words) else []


def side_by_side(hydra: DictConfig, jobs: int | None) -> int:
    """How many of a sweep's jobs this machine runs at once.

    One, where another program places them (Slurm, Ray): it gives each its share.

    Args:
        jobs: of the sweep; None of a sweeper that draws them, so many at once as it says.
    """
    jobs = hydra.sweeper.get("n_jobs", sys.maxsize) if jobs is None else jobs
    kind, most = launcher_of(hydra), 1
    if kind == JOBLIB:
        from joblib import effective_n_jobs

        most = effective_n_jobs(hydra.launcher.n_jobs)
    elif kind == LOCAL:
        most = hydra.sweeper.get("max_batch_size") or jobs
    return max(1, min(most, jobs))


def share(number: int, beside: int, gpus: int) -> dict[str, Any]:
    """What a job takes of a machine that runs several at once: threads, and a GPU where there are
    several."""
    if beside == 1:
        return {}
    own: dict[str, Any] = {"threads": max(1, cores() // beside)}
    return own | ({"device": f"cuda:{number % gpus}"} if gpus > 1 else {})
