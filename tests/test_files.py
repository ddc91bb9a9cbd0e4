"""Locks between processes, writes that fail, and what tells versions of a file apart."""

import errno
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import ctrbench
from ctrbench.errors import UserError, one_line
from ctrbench.files import (
    changed_file,
    expanded,
    file_digest,
    file_signature,
    locked,
    remove_leftovers,
    seal,
    write_atomic,
)

HOLD = """
import sys, time
from pathlib import Path
from ctrbench.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


class Told(logging.Handler):
    """Keeps what is logged, and says when something was."""

    def __init__(self) -> None:
        super().__init__()
        self.message, self.some = "", threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.message = record.getMessage()
        self.some.set()


def test_who_waits_says_for_whom_and_goes_on_when_that_one_died(tmp_path: Path) -> None:
    lock = tmp_path / "rows.lock"
    told, entered = Told(), threading.Event()
    log = logging.getLogger("ctrbench.files")
    log.addHandler(told)
    log.setLevel(logging.INFO)

    def wait() -> None:
        with locked(lock):
            entered.set()

    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
            waiter = threading.Thread(target=wait)
            waiter.start()
            assert told.some.wait(60) and not entered.is_set()
            assert told.message.startswith(f"waiting for process {holder.pid} on {os.uname()[1]}, ")
            assert told.message.endswith(f"which works on {tmp_path / 'rows'}")
        finally:
            holder.kill()
            log.removeHandler(told)
    assert entered.wait(60)
    waiter.join()
    assert not lock.with_name("rows.lock.holder").exists()


def test_a_lock_is_free_again(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "a" / "x.lock"):
            assert "process" in (tmp_path / "a" / "x.lock.holder").read_text()


def test_a_failed_write_names_the_file_and_leaves_none() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError) as caught:
        write_atomic(full / "x", "y")
    assert "/dev/full" in one_line(caught.value)


def test_one_line_of_any_error() -> None:
    assert one_line(ValueError("a\nb")) == "ValueError: a"
    assert one_line(FileNotFoundError(2, "x", "/no")) == "/no: No such file or directory"


ANOTHER = "name another folder with results=FOLDER"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_to_be_freed(number: int) -> None:
    error = OSError(number, "x", "/out/a")
    assert one_line(error) == f"/out/a: {os.strerror(number)}; free the space, or {ANOTHER}"


def test_another_folder_is_named_for_what_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for a file that may not be read."""
    path = tmp_path / "rows"
    path.touch()
    assert one_line(OSError(errno.EROFS, "x", str(path))).endswith(f"system; {ANOTHER}")
    denied = PermissionError(errno.EACCES, "x", str(path))
    missing = PermissionError(errno.EACCES, "x", str(tmp_path / "new"))
    assert one_line(denied) == f"{path}: Permission denied; {ANOTHER}"
    assert one_line(missing) == f"{tmp_path / 'new'}: Permission denied; {ANOTHER}"
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.R_OK)
    assert one_line(denied) == f"{path}: Permission denied"
    monkeypatch.setattr(os, "access", lambda _, mode: False)
    assert one_line(missing) == f"{tmp_path / 'new'}: Permission denied"
    assert one_line(PermissionError(errno.EACCES, "x")) == "a file: Permission denied"


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Any, **_: Any) -> None:
        raise PermissionError(errno.EACCES, "x", path)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(os, "access", lambda _, mode: False)
    error = PermissionError(errno.EACCES, "x", str(tmp_path / "new"))
    assert one_line(error) == f"{tmp_path / 'new'}: Permission denied"


def test_home_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    assert expanded("~/a") == Path("/home/x/a") and expanded("/a/~") == Path("/a/~")
    with pytest.raises(UserError, match=r"^~nosuchuser/x: no such home folder; give"):
        expanded("~nosuchuser/x")


def test_a_file_of_equal_size_and_time_has_another_signature(tmp_path: Path) -> None:
    path, other = tmp_path / "rows", tmp_path / "other"
    path.write_bytes(b"one")
    first, status = file_signature(path), path.stat()
    assert file_signature(path) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = file_signature(path)
    assert second != first
    other.write_bytes(b"two")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert file_signature(path) != second


DIE = """
import os, signal, sys
from pathlib import Path
from ctrbench.files import locked, replacing, temporary_folder
folder = Path(sys.argv[1])
with locked(folder / "x.lock"), replacing(folder / "a"), temporary_folder(folder / "b") as side:
    (side / "c").touch()
    if sys.argv[2:]:
        print("held", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "notes.tmp").touch()  # of the user
    dead = subprocess.run([sys.executable, "-c", DIE, str(tmp_path)])
    (tmp_path / f"old.{os.getpid()}.tmp").touch()  # of a process of the same number
    os.utime(tmp_path / f"old.{os.getpid()}.tmp", (0, 0))
    assert dead.returncode == -9 and len(names(tmp_path)) == 6
    write_atomic(tmp_path / "a", "1")
    assert names(tmp_path) == {"notes.tmp", "x.lock", "a"}


def test_what_a_live_process_writes_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks tell, where its number does not: in another container there may be none."""
    command = [sys.executable, "-c", DIE, str(tmp_path), "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as live:
        assert live.stdout is not None and live.stdout.readline() == b"held\n"
        before = names(tmp_path)
        remove_leftovers(tmp_path)
        monkeypatch.setattr("ctrbench.files.is_running", lambda process: False)
        remove_leftovers(tmp_path)
        assert names(tmp_path) == before and len(before) == 4
    remove_leftovers(tmp_path)
    assert names(tmp_path) == {"x.lock"}


def test_a_changed_file_is_found(tmp_path: Path) -> None:
    """Also one of equal size and time; one that has not changed is not read again."""
    for name in ("one", "other"):
        (tmp_path / name).write_text(name)
    digests = {name: file_digest(tmp_path / name) for name in ("one", "other")}
    last_check = tmp_path / "check.json"
    for record in (None, last_check, last_check):
        assert changed_file(tmp_path, digests, record) is None
    assert changed_file(tmp_path, digests | {"missing": ""}, last_check) == "missing"
    times = (tmp_path / "other").stat()
    (tmp_path / "other").write_text("OTHER")
    os.utime(tmp_path / "other", ns=(times.st_atime_ns, times.st_mtime_ns))
    for record in (None, last_check):
        assert changed_file(tmp_path, digests, record) == "other"
    (tmp_path / "one").chmod(0)
    (tmp_path / "one").unlink()
    assert changed_file(tmp_path, digests, last_check) == "one"


def test_a_seal_is_of_the_content() -> None:
    sealed = seal({"b": 1, "a": [1.5, None]})
    assert seal(sealed) == sealed and sealed["sha256"] == seal({"a": [1.5, None], "b": 1})["sha256"]
    assert seal(sealed | {"b": 2})["sha256"] != sealed["sha256"]


# A write that a kill can leave half done, and why it may stand where it does.
WRITE = re.compile(
    r"""\.write_(?:text|bytes)\(|\.open\(["'][wxa]|\bopen\([^)]*,\s*["'][wxa]|np\.savez?\(|copyfile\("""
    r"""|\.to_(?:csv|parquet|pickle)\([^)i]|\.write_(?:csv|parquet)\((?:path|folder|\n\s+folder)"""
    r"""|save_file\("""
)
WRITERS = {
    "files.py": "the writer that renames, and copies into folders that are written as a whole",
    "machine.py": "a counter of the system",
    "report/output.py": "a new folder, put in place as a whole",
    "sweep/launch.py": "the log of a job",
    "data/sources/download.py": "a part of a file, continued and renamed",
    "data/store/arrays.py": "the folder of a preparation, renamed as a whole",
    "data/store/crosses.py": "the folder of a preparation, renamed as a whole",
    "data/store/grouping.py": "the folder of a preparation, renamed as a whole",
    "data/store/prepare.py": "the folder of a preparation, renamed as a whole",
    "runs/scores.py": "a temporary file, renamed",
    "runs/train.py": "a temporary folder, renamed",
    "bench/fuxictr.py": "a temporary folder",
}


def test_files_are_written_to_one_side_and_renamed() -> None:
    root = Path(ctrbench.__file__).parent
    writing = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if WRITE.search(path.read_text())
    }
    assert writing == WRITERS.keys()
