"""Faults for commands: a kill or a signal before a file operation, a small disk, a flipped bit."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

# The digest of a history is of times.
TIMES = re.compile(r"seconds|per_second|^when$|^peak_memory_bytes$|^created$|^history\.jsonl$")
# Locks, Optuna's journal (it has times), what a store's files were when last checked (inodes), the
# folder of a sweep (named by the time), and how long preparations took.
UNCOMPARED = re.compile(r"\.lock$|journal\.log$|\.verified\.json$|multirun/|ctrbench/")


@dataclass
class Outcome:
    """What a command left.

    Attributes:
        operations: on files; None if it was killed.
    """

    status: int
    stdout: str
    stderr: str
    operations: int | None


class Commands:
    """Runs commands in one folder, in forks of a process that has imported everything."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.side = folder / "work", folder / "side"
        self.side.mkdir(parents=True)
        path = Path(__file__).with_name("command_server.py")
        self.server = subprocess.Popen(
            [sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(
        self,
        *arguments: str,
        before: int = 0,
        number: int = signal.SIGKILL,
        file_bytes: int = 0,
    ) -> Outcome:
        """Run a command.

        Args:
            before: the operation on a file before which it gets the signal ``number``; 0: none.
            file_bytes: the largest file that it may write; 0: any.
        """
        count = self.side / "count"
        count.unlink(missing_ok=True)
        request: dict[str, Any] = {"arguments": arguments, "folder": str(self.folder)}
        request |= {"before": before, "signal": int(number), "file_bytes": file_bytes}
        request |= {name: str(self.side / name) for name in ("stdout", "stderr", "count")}
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        status = json.loads(self.server.stdout.readline())
        operations = int(count.read_text()) if count.exists() else None
        texts = [(self.side / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        return Outcome(status, *texts, operations)

    def close(self) -> None:
        """End the process."""
        self.server.communicate()


@contextmanager
def commands_in(folder: Path) -> Iterator[Commands]:
    """Commands in a folder, until the end of the block."""
    commands = Commands(folder)
    try:
        yield commands
    finally:
        commands.close()


def contents(folder: Path) -> dict[str, Any]:
    """Return what lies below a folder, by its path, without times."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if UNCOMPARED.search(name):
            continue
        found[name] = _content(path) if path.is_file() else None
    return {name: content for name, content in found.items() if content is not None}


def _content(path: Path) -> Any:
    data = path.read_bytes()
    try:
        if path.suffix == ".json":
            return _without_times(json.loads(data))
        if path.suffix == ".jsonl":
            return [_without_times(json.loads(line)) for line in data.splitlines()]
    except ValueError:
        return data
    return data


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        own = {k: _without_times(v) for k, v in value.items() if not TIMES.search(k)}
        if len(own) < len(value):
            own.pop("sha256", None)  # of a manifest, with its times
        return own
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def flip_bit(path: Path, rng: random.Random) -> None:
    """Flip one bit of a file; a new inode takes its place, as a copy would."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.unlink()
    path.write_bytes(data)


@dataclass
class Scenario:
    """A command, and what it finds.

    Attributes:
        arguments: of the command; ``RUN`` stands for the directory of the first finished run.
        before: commands that have ended.
        files: that lie in the folder, with their text.
        damaged: below which a bit is flipped; none for a command that reads nothing again.
        interrupted: a command that is stopped while it trains.
        measures: it gives other figures each time.
        lists_damage: what is damaged is named and left out of what it writes.
    """

    arguments: list[str]
    before: list[list[str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    damaged: str = ""
    interrupted: list[str] = field(default_factory=list)
    measures: bool = False
    lists_damage: bool = False


class Disturbed:
    """One scenario, undisturbed once and then with faults, always in the same folder."""

    def __init__(self, commands: Commands, scenario: Scenario) -> None:
        self.commands, self.base = commands, commands.side / "base"
        self.scenario, work = scenario, commands.folder
        shutil.rmtree(work, ignore_errors=True)
        for name, text in scenario.files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        work.mkdir(exist_ok=True)
        for arguments in scenario.before:
            done = commands(*arguments)
            assert done.status == 0, done.stderr
        runs = sorted(path.parent for path in work.glob("runs/*/*/*/result.json"))
        own = {"RUN": str(runs[0].relative_to(work))} if runs else {}
        self.arguments = [own.get(word, word) for word in scenario.arguments]
        if scenario.interrupted:
            self._interrupt(scenario.interrupted)
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.copytree(work, self.base)
        self.whole = commands(*self.arguments)
        assert self.whole.status == 0, self.whole.stderr
        self.operations = self.whole.operations or 0
        self.expected = contents(work)

    def _interrupt(self, arguments: list[str]) -> None:
        """Stop a command at its first operations, until it leaves a checkpoint."""
        work, before = self.commands.folder, 0
        while not list(work.rglob("checkpoint.pt")):
            before += 5
            done = self.commands(*arguments, before=before, number=signal.SIGTERM)
            assert done.status != 0, "it ended without a checkpoint"

    def restore(self) -> None:
        """Put the folder back to what it was before the command."""
        shutil.rmtree(self.commands.folder)
        shutil.copytree(self.base, self.commands.folder)

    def differences(self) -> list[str]:
        """Return the files that are missing, that are too many, or that differ."""
        now, expected = contents(self.commands.folder), self.expected
        if self.scenario.measures:
            return sorted(now.keys() ^ expected.keys())
        names = sorted(now.keys() | expected.keys())
        return [name for name in names if now.get(name) != expected.get(name)]

    def stop(self, before: int, number: int) -> list[str]:
        """Send a signal before an operation, run the command again; what is wrong then."""
        self.restore()
        first = self.commands(*self.arguments, before=before, number=number)
        wrong = _wrong_end(first, number)
        return wrong + self._again()

    def shrink_disk(self, file_bytes: int) -> list[str]:
        """Let no file be larger than so many bytes, then run again; what is wrong then."""
        self.restore()
        first = self.commands(*self.arguments, file_bytes=file_bytes)
        wrong = [] if first.status == 0 else _wrong_error(first)
        if first.status == 0:
            wrong += self.differences()
        return wrong + self._again()

    def damage(self, name: str, rng: random.Random) -> list[str]:
        """Flip a bit of a file before the command; what is wrong unless it is named, or the command
        does what it does without the damage."""
        self.restore()
        flip_bit(self.commands.folder / name, rng)
        done = self.commands(*self.arguments)
        text = done.stderr + done.stdout
        if "Traceback" in text:
            return [text[-800:]]
        others = [n for n in self.differences() if n != name or n not in self.expected]
        is_same = done.status == 0 and done.stdout == self.whole.stdout and not others
        folders = map(str, list(Path(name).parents)[:-3])  # not those of all runs of a model
        is_named = Path(name).name in text or any(folder in text for folder in folders)
        is_used = done.status == 0 and others and not self.scenario.lists_damage
        if is_same or (is_named and not is_used):
            return []
        return [f"status {done.status}", text[-500:], *others]

    def damageable(self, below: str) -> list[str]:
        """Return the files that a bit can be flipped in."""
        if not below:
            return []
        files = sorted(path for path in (self.base / below).rglob("*") if path.is_file())
        named = {str(path.relative_to(self.base)): path.stat().st_size for path in files}
        return [name for name, size in named.items() if size and not name.endswith(".lock")]

    def _again(self) -> list[str]:
        again = self.commands(*self.arguments)
        failed = [f"again: {again.stderr[-500:]}"] if again.status else []
        if again.stdout != self.whole.stdout and not self.scenario.measures:
            failed.append("another standard output")
        return failed + self.differences()


def _wrong_end(outcome: Outcome, number: int) -> list[str]:
    """Return what is wrong with the end of a command that got a signal."""
    if number == signal.SIGKILL:
        return [] if outcome.status == -number else [f"status {outcome.status}"]
    lines = outcome.stderr.splitlines() or [""]
    is_right = outcome.status == 128 + number and lines[-1].startswith("stopped")
    return [] if is_right and "Traceback" not in outcome.stderr else [outcome.stderr[-800:]]


def _wrong_error(outcome: Outcome) -> list[str]:
    """Return what is wrong with the end of a command that failed: it is a line without a traceback.

    Below the line of a sweep stands an indented one for each job that failed.
    """
    lines = [line for line in outcome.stderr.splitlines() if not line.startswith("  ")] or [""]
    is_right = outcome.status in (1, 2) and lines[-1].startswith("ctrbench: ")
    is_right = is_right and "Traceback" not in outcome.stderr
    return [] if is_right else [f"status {outcome.status}: {outcome.stderr[-800:]}"]


def sample(seed: int, operations: int, count: int) -> list[int]:
    """Return some of the operations of a command, by a seed: one of each of so many parts of equal
    length; all if there are no more."""
    rng, count = random.Random(seed), min(count, operations)
    ends = [operations * i // count for i in range(count + 1)] if count else [0]
    return [rng.randint(start + 1, end) for start, end in pairwise(ends)]


def environment_number(name: str, default: int) -> int:
    """Return a number of the environment, for larger samples than those of the tests."""
    return int(os.environ.get(name, default))
